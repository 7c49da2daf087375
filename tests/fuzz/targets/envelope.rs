//! Envelopes: as they come, and with a right signature around any inner bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fuzz::{identity, signed};
use obscura_protocol::{envelope, identity::Purpose};

fuzz_target!(|data: &[u8]| {
    judge(data);
    judge(&signed(Purpose::Envelope, data));
});

fn judge(bytes: &[u8]) {
    let key = identity().public();
    let Ok(unverified) = envelope::open(bytes) else {
        return;
    };
    let Ok(verified) = unverified.verify(&key) else {
        return;
    };
    let again = envelope::seal(&verified.header, &verified.payload, &identity());
    let opened = envelope::open(&again).expect("sealed a moment ago").verify(&key);
    assert_eq!(opened.expect("with this key"), verified);
}
