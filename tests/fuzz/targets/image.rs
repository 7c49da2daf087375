//! Picture files, under a recipe that lets small ones through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_imaging::{Recipe, read};

fuzz_target!(|data: &[u8]| {
    let recipe = Recipe::new(32, 24).expect("24 pixels fit into 32");
    if let Ok(pixels) = read(data, recipe) {
        assert_eq!(pixels.rgb().len(), 24 * 24 * 3);
        let again = read(data, recipe).expect("what was read once is read again");
        assert_eq!(pixels.rgb(), again.rgb());
    }
});
