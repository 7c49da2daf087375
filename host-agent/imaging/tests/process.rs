//! The image process as the command line meets it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    fs,
    io::Write,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
};

use common::{centre, picture, png};
use obscura_local::{
    Channel,
    imaging::{ImagingReply, ImagingRequest, MAX_FRAME_BYTES},
};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_obscura-agent-imaging"))
}

fn start() -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = program()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, ours)
}

fn ask(channel: &mut Channel, file: Vec<u8>, side: u32, crop: u32) -> ImagingReply {
    channel.send(&ImagingRequest::Read { file, side, crop }).unwrap();
    channel.receive().unwrap()
}

#[test]
fn answers_file_after_file_and_ends_with_its_socket() {
    let (mut child, ours) = start();
    let mut channel = Channel::new(ours, MAX_FRAME_BYTES);
    let small = picture(288, 288);
    for _ in 0..2 {
        let ImagingReply::Pixels { width, height, rgb } = ask(&mut channel, png(&small), 288, 224) else {
            panic!("refused")
        };
        assert_eq!((width, height, rgb), (288, 288, centre(&small)));
        for (file, side, words) in [
            (b"GIF89a".to_vec(), 288, "this is a GIF picture"),
            (
                png(&small),
                223,
                "a centre of 224 pixels cannot be cut out of a square of 223",
            ),
        ] {
            let ImagingReply::Refused { text } = ask(&mut channel, file, side, 224) else {
                panic!("read")
            };
            assert!(text.starts_with(words), "{text}");
        }
    }
    drop(channel);
    assert!(child.wait().unwrap().success());
}

#[test]
fn opens_nothing_and_takes_no_more_memory_than_pictures_need() {
    let (mut child, ours) = start();
    let mut channel = Channel::new(ours, MAX_FRAME_BYTES);
    assert!(matches!(
        ask(&mut channel, vec![1], 288, 224),
        ImagingReply::Refused { .. }
    ));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    for line in [
        "Max core file size 0 0",
        "Max open files 0 0",
        "Max processes 0 0",
        "Max address space 1073741824 1073741824",
    ] {
        let given = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            limits.lines().any(|own| given(own).starts_with(line)),
            "{line}: {limits}"
        );
    }
    drop(channel);
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_no_request_ends_it_with_exit_code_70() {
    let (child, mut ours) = start();
    ours.write_all(&[1, 0, 0, 0, 255]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&output.stderr).contains("local frame does not decode"));
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    let output = program().stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("obscura-agent starts this program"));
}
