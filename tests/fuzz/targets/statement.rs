//! Signed tickets and receipts: as they come, and with a right signature around any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fuzz::{identity, signed};
use obscura_protocol::{
    identity::Purpose,
    job::{MAX_ITEMS, Receipt, Signed, Ticket, is_model_id},
};

fuzz_target!(|data: &[u8]| {
    let key = identity().public();
    for bytes in [data.to_vec(), signed(Purpose::Ticket, data)] {
        if let Ok(ticket) = Signed::<Ticket>::verify(&bytes, &key) {
            assert!((1..=MAX_ITEMS).contains(&ticket.statement().items));
        }
    }
    for bytes in [data.to_vec(), signed(Purpose::Receipt, data)] {
        if let Ok(receipt) = Signed::<Receipt>::verify(&bytes, &key) {
            assert!(is_model_id(&receipt.statement().model_id));
        }
    }
});
