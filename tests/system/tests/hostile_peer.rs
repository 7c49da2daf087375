//! A device with a valid certificate that breaks the protocol: typed refusals, and the box goes on serving.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use obscura_protocol::{
    envelope::{self, Header},
    identity::{ClientId, Digest, Identity, JobId, SessionId},
    job::{Signed, Ticket},
    message::{BoxMessage, DeviceMessage, KeyState, Refusal},
    transfer::{ObjectHeader, ObjectKind},
};
use obscura_system_tests::{BoxProcess, Broker, Site};
use support::{Peer, identity, refusal};
use zeroize::Zeroizing;

struct Bench {
    peer: Peer,
    site: Site,
    box_process: BoxProcess,
    _broker: Broker,
}

impl Bench {
    fn new() -> Self {
        let site = Site::make().unwrap();
        let mut add = site.program("obscura-provision").unwrap();
        site.run(add.args(["add-device", "--site", "site", "--name", "device-2"]))
            .unwrap();
        let broker = site.start_broker().unwrap();
        let box_process = site.start_box().unwrap();
        let peer = Peer::connect(&site, "device-2");
        Self {
            peer,
            site,
            box_process,
            _broker: broker,
        }
    }

    /// The box still opens sessions and answers questions.
    fn still_serves(&mut self) {
        self.box_process.process().check_running().unwrap();
        self.peer.hello([9; 16]);
        let reply = self.peer.ask(&DeviceMessage::KeyStatus {
            client: ClientId([1; 16]),
        });
        assert!(
            matches!(
                reply,
                BoxMessage::KeyState {
                    state: KeyState::Missing,
                    ..
                }
            ),
            "{reply:?}"
        );
    }
}

fn key_status() -> DeviceMessage {
    DeviceMessage::KeyStatus {
        client: ClientId([1; 16]),
    }
}

#[test]
fn garbage_truncated_and_oversized_messages_do_not_stop_the_box() {
    let mut bench = Bench::new();
    bench.peer.hello([1; 16]);
    let good = bench.peer.sealed(&key_status());
    for cut in [0, 1, 2, 17, good.len() / 2, good.len() - 1] {
        bench.peer.publish(good[..cut].to_vec());
    }
    bench.peer.publish(vec![0xff; 4096]);
    bench.peer.publish(vec![0x80; 300 * 1024]);
    let mut trailing = good.clone();
    trailing.push(0);
    bench.peer.publish(trailing);
    bench.still_serves();
}

#[test]
fn a_wrong_signature_a_foreign_name_and_a_foreign_box_are_refused() {
    let mut bench = Bench::new();
    bench.peer.hello([1; 16]);
    let stranger = Identity::from_seed(&Zeroizing::new([5; 32]));
    let header = bench.peer.session.as_mut().unwrap().next_header();
    let as_stranger = envelope::seal(&header, &key_status().encode(), &stranger);
    assert_eq!(bench.peer.refusal_of(as_stranger), Refusal::BadSignature);
    // A genuine envelope of another device, put on this device's topic.
    let other = identity(&bench.site.path("site/device-1/envelope.key"));
    let as_other = Header {
        sender: "device-1".parse().unwrap(),
        ..header.clone()
    };
    let moved = envelope::seal(&as_other, &key_status().encode(), &other);
    bench.peer.publish(moved);
    let to_another = Header {
        recipient: "box-2".parse().unwrap(),
        ..header
    };
    let misdirected = envelope::seal(&to_another, &key_status().encode(), &bench.peer.identity);
    bench.peer.publish(misdirected);
    bench.still_serves();
}

#[test]
fn replayed_and_misplaced_messages_are_refused_by_name() {
    let mut bench = Bench::new();
    bench.peer.hello([1; 16]);
    let good = bench.peer.sealed(&key_status());
    bench.peer.publish(good.clone());
    assert!(matches!(bench.peer.receive().1, BoxMessage::KeyState { .. }));
    assert_eq!(bench.peer.refusal_of(good), Refusal::Replayed);
    let header = bench.peer.session.as_mut().unwrap().next_header();
    let elsewhere = Header {
        session: SessionId([7; 16]),
        ..header.clone()
    };
    let elsewhere = envelope::seal(&elsewhere, &key_status().encode(), &bench.peer.identity);
    assert_eq!(bench.peer.refusal_of(elsewhere), Refusal::UnknownSession);
    let future = Header {
        version: 99,
        ..header
    };
    let future = envelope::seal(&future, &key_status().encode(), &bench.peer.identity);
    assert_eq!(bench.peer.refusal_of(future), Refusal::WrongVersion);
    bench.still_serves();
}

#[test]
fn versions_that_do_not_meet_are_refused() {
    let mut bench = Bench::new();
    let hello = DeviceMessage::Hello {
        min_version: 90,
        max_version: 91,
        nonce: [1; 16],
    };
    assert_eq!(
        bench.peer.refusal_of(bench.peer.opening(&hello)),
        Refusal::WrongVersion
    );
    bench.still_serves();
}

#[test]
fn objects_tickets_and_items_that_do_not_belong_are_refused_by_name() {
    let mut bench = Bench::new();
    bench.peer.hello([1; 16]);
    let job = JobId([3; 16]);
    let offer = |len_bytes: u64| DeviceMessage::Offer {
        object: ObjectHeader {
            kind: ObjectKind::EvaluationKeys,
            digest: Digest([4; 32]),
            len_bytes,
            client: ClientId([1; 16]),
            parameter_hash: Digest([6; 32]),
        },
    };
    let unknown_item = DeviceMessage::Item {
        job,
        index: 0,
        bytes: vec![0; 100],
    };
    assert_eq!(refusal(bench.peer.ask(&unknown_item)), Refusal::UnknownJob);
    let chunk = DeviceMessage::Chunk {
        object: Digest([4; 32]),
        index: 0,
        bytes: vec![0; 100],
    };
    assert_eq!(refusal(bench.peer.ask(&chunk)), Refusal::UnexpectedChunk);
    let garbage = DeviceMessage::Submit { ticket: vec![0; 200] };
    assert_eq!(refusal(bench.peer.ask(&garbage)), Refusal::Malformed);
    for size in [0, 1 << 40] {
        assert!(
            matches!(bench.peer.ask(&offer(size)), BoxMessage::Refused { .. }),
            "{size}"
        );
    }
    let ticket = Ticket {
        site: obscura_protocol::identity::SiteId([0; 16]),
        device: bench.peer.name.clone(),
        job,
        model_hash: Digest([1; 32]),
        client: ClientId([1; 16]),
        key_fingerprint: Digest([2; 32]),
        items: 1,
    };
    let foreign_site = Signed::sign(ticket, &bench.peer.identity).as_bytes().to_vec();
    let reply = bench.peer.ask(&DeviceMessage::Submit { ticket: foreign_site });
    assert_eq!(refusal(reply), Refusal::BadTicket);
    bench.still_serves();
}

#[test]
fn keys_with_the_wrong_hash_are_refused_and_not_kept() {
    let mut bench = Bench::new();
    bench.peer.hello([1; 16]);
    let client = ClientId([8; 16]);
    let object = ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest([4; 32]),
        len_bytes: 1000,
        client,
        parameter_hash: Digest([6; 32]),
    };
    // The box may refuse the unknown parameters at once, or pull and then find the hash wrong.
    if let BoxMessage::Want { .. } = bench.peer.ask(&DeviceMessage::Offer { object }) {
        let chunk = DeviceMessage::Chunk {
            object: object.digest,
            index: 0,
            bytes: vec![0; 1000],
        };
        let code = refusal(bench.peer.ask(&chunk));
        assert!(
            matches!(code, Refusal::HashMismatch | Refusal::NonConforming),
            "{code:?}"
        );
    }
    let reply = bench.peer.ask(&DeviceMessage::KeyStatus { client });
    assert!(
        matches!(
            reply,
            BoxMessage::KeyState {
                state: KeyState::Missing,
                ..
            }
        ),
        "{reply:?}"
    );
    bench.still_serves();
}
