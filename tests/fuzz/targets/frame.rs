//! Frames of a serial line and the link over them, fed with anything in pieces of any length.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use obscura_protocol::serial::{
    WINDOW_BYTES,
    frame::{self, Decoder, Epoch, MAX_FRAME_BYTES},
    link::Link,
};

fuzz_target!(|data: &[u8]| {
    let Some((&piece, line)) = data.split_first() else {
        return;
    };
    let piece = usize::from(piece) + 1;
    let mut decoder = Decoder::default();
    // The seeds are frames to the epoch 22.
    let mut link = Link::new(Epoch::from_random(22), Duration::ZERO);
    link.send(&[5; 2000]);
    let mut now = Duration::ZERO;
    for mut part in line.chunks(piece) {
        link.receive(now, part);
        while let Some(frame) = decoder.feed(&mut part) {
            let Ok(frame) = frame else { continue };
            let mut again = Vec::new();
            frame::encode(&frame, &mut again);
            assert!(again.len() <= MAX_FRAME_BYTES);
            let mut line = &again[..];
            let mut second = Decoder::default();
            assert_eq!(second.feed(&mut line), Some(Ok(frame)));
            assert_eq!(second.feed(&mut line), None);
        }
        now += Duration::from_millis(40);
        let mut out = Vec::new();
        link.transmit(now, 4096, &mut out);
        assert!(out.len() < 4096 + MAX_FRAME_BYTES);
        assert!(link.available() <= WINDOW_BYTES && link.room() <= WINDOW_BYTES);
        link.send(&[6; 100]);
    }
    // Whatever came, the next frame is found.
    let mut good = Vec::new();
    let ping = frame::Frame {
        from: Epoch::from_random(11),
        to: Some(Epoch::from_random(22)),
        body: frame::Body::Ping,
    };
    frame::encode(&ping, &mut good);
    let mut line = &good[..];
    let mut last = None;
    while let Some(frame) = decoder.feed(&mut line) {
        last = Some(frame == Ok(ping));
    }
    assert_eq!(last, Some(true));
});
