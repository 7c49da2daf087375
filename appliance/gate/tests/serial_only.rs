//! The gate's process with a cable and no broker, in a network namespace that has nothing in it.

#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

#[path = "../../../protocol/carrier/tests/support/authority.rs"]
mod authority;
#[path = "../../../protocol/carrier/tests/support/cable.rs"]
mod cable;
#[expect(dead_code, reason = "this gate has a cable only and is not ended in peace")]
mod support;
#[path = "../../../protocol/carrier/tests/support/wiring.rs"]
mod wiring;

use std::fs;

use authority::Authority;
use cable::Cable;
use obscura_carrier::{Options, serial::End};
use obscura_protocol::{
    identity::{ClientId, Digest},
    message::{BoxMessage, DeviceMessage, KeyState},
    transfer::{ObjectHeader, ObjectKind, chunk_range},
};
use support::{Device, GateProcess, KEY_BYTES, PARAMETERS, serial_section};
use wiring::options;

const OBJECT: Digest = Digest([5; 32]);
const CLIENT: ClientId = ClientId([6; 16]);

/// Offers keys and gives the chunks the box asks for, with how many it has.
fn offer(device: &mut Device) -> (Vec<u32>, u32) {
    device.say(&DeviceMessage::Offer {
        object: ObjectHeader {
            kind: ObjectKind::EvaluationKeys,
            digest: OBJECT,
            len_bytes: KEY_BYTES,
            client: CLIENT,
            parameter_hash: PARAMETERS,
        },
    });
    loop {
        if let BoxMessage::Want { chunks, have, .. } = device.hear() {
            return (chunks.indices(u32::MAX).collect(), have);
        }
    }
}

#[test]
fn a_box_with_a_cable_only_serves_without_any_network_and_can_open_none() {
    let (authority, mut cable) = (Authority::new(), Cable::new());
    // And on a line that is not perfect.
    cable.damage(20_000);
    let section = serial_section(&cable.end("box"));
    let alone = ["unshare", "--map-root-user", "--net"];
    let gate = GateProcess::start(&authority, &section, &["device-1"], &alone);
    let box_name = "box-1".parse().unwrap();
    let way = options(&authority, &cable, "device-1", End::Device { box_name });
    let mut device = Device::connect("device-1", &Options::Serial(way));
    device.wait_up();
    device.hello();
    assert!(gate.is_ready());
    assert_eq!(offer(&mut device), (vec![0, 1], 0));

    // The namespace has no interface but a loopback that is down.
    let devices = fs::read_to_string(gate.proc("net/dev")).unwrap();
    assert_eq!(devices.lines().skip(2).count(), 1, "{devices}");
    // Every socket it has is a local one.
    let local = fs::read_to_string(gate.proc("net/unix")).unwrap();
    let mut sockets = 0;
    for entry in fs::read_dir(gate.proc("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if let Some(inode) = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let is_local = local
                .lines()
                .any(|line| line.split_whitespace().any(|word| word == inode));
            assert!(is_local, "socket {inode} is not in\n{local}");
            sockets += 1;
        }
    }
    assert!(sockets > 0, "the socket to compute is seen");
    // And the kernel gives it, and every thread of it, no other (what the filter refuses is tested beside it).
    for task in fs::read_dir(gate.proc("task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }

    // A pulled cable costs the connection and nothing that was stored.
    let range = chunk_range(KEY_BYTES, 0).unwrap();
    device.say(&DeviceMessage::Chunk {
        object: OBJECT,
        index: 0,
        bytes: vec![9; usize::try_from(range.end).unwrap()],
    });
    let client = CLIENT;
    device.say(&DeviceMessage::KeyStatus { client });
    let state = KeyState::Partial {
        object: OBJECT,
        have: 1,
        of: 2,
    };
    assert_eq!(device.hear(), BoxMessage::KeyState { client, state });
    cable.unplug();
    cable.plug();
    device.wait_up();
    device.hello();
    assert_eq!(offer(&mut device), (vec![1], 1));
}
