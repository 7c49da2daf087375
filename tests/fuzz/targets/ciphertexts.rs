//! Encrypted items and answers of the shipped model and of one for images, whose answers are packed: any
//! length, and exactly the right one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fhe_core::{Answer, Item};
use obscura_fuzz::{fit, image_plan, plan};

fuzz_target!(|data: &[u8]| {
    for plan in [plan(), image_plan()] {
        for bytes in [data.to_vec(), fit(data, plan.request_bytes())] {
            if let Ok(item) = Item::from_bytes(plan, &bytes) {
                assert_eq!(item.to_bytes(plan), bytes);
            }
        }
        for bytes in [data.to_vec(), fit(data, plan.answer_bytes())] {
            if let Ok(answer) = Answer::from_bytes(plan, &bytes) {
                assert_eq!(answer.to_bytes(plan), bytes);
                assert_eq!(answer.ciphertexts.len(), Answer::lengths(plan).len());
            }
        }
    }
});
