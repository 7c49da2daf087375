//! Files made to do harm: none of them panics, none takes memory it has no pixels for, none is filled up.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::sync::OnceLock;

use common::{RGB, jpeg, jpeg_turned, picture, png, png_file, png_turned, recipe, refused};
use obscura_imaging::{ImageError, read};
use proptest::prelude::*;

const PROGRESSIVE: &[u8] = include_bytes!("data/progressive.jpg");

/// A file of each kind, small enough to be read many times.
fn valid() -> &'static [Vec<u8>; 4] {
    static FILES: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
    FILES.get_or_init(|| {
        let picture = picture(240, 226);
        [
            png_turned(&picture, 6),
            jpeg(&picture),
            jpeg_turned(&picture, 7),
            PROGRESSIVE.to_vec(),
        ]
    })
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    for file in valid() {
        // The pixels of a PNG file are all there when its last chunk, which is empty, is not.
        let last = if file[0] == 0x89 {
            file.len() - 16
        } else {
            file.len()
        };
        for end in (0..last).step_by(509).chain(last - 5..last) {
            assert!(read(&file[..end], recipe()).is_err(), "{end} of {}", file.len());
        }
        read(file, recipe()).unwrap();
    }
}

#[test]
fn dimensions_without_pixels_take_no_memory_and_give_no_picture() {
    for size in [
        (8000, 8000),
        (12_000, 5333),
        (u32::MAX, u32::MAX),
        (0, 0),
        (300, 0),
    ] {
        assert!(read(&png_file(size, RGB, 8, &[], &[1, 2, 3]), recipe()).is_err());
    }
    let mut file = jpeg(&picture(300, 250));
    let at = file.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    file[at + 5..at + 9].copy_from_slice(&[0x1f, 0x40, 0x1f, 0x40]);
    assert!(matches!(refused(&file), ImageError::Damaged { .. }));
    file[at + 5..at + 9].copy_from_slice(&[0xff; 4]);
    assert!(matches!(
        refused(&file),
        ImageError::TooLarge { width: 65_535, .. }
    ));
}

#[test]
fn a_damaged_png_is_noticed_by_its_checksums() {
    let file = png(&picture(240, 226));
    for at in (60..file.len() - 20).step_by(7919) {
        let mut file = file.clone();
        file[at] ^= 0x10;
        assert!(matches!(refused(&file), ImageError::Damaged { .. }), "byte {at}");
    }
}

/// A picture whose data stops halfway, then ends as a picture should: nothing may be made up for the rest.
#[test]
fn data_that_runs_out_before_the_picture_is_refused() {
    for file in [jpeg(&picture(300, 250)), PROGRESSIVE.to_vec()] {
        let scan = file.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap() + 20;
        for share in 1..10 {
            let mut end = scan + (file.len() - scan) * share / 10;
            // Not between a byte and the zero stuffed behind it.
            end -= usize::from(file[end - 1] == 0xff);
            let file = [&file[..end], &[0xff, 0xd9]].concat();
            assert!(
                matches!(refused(&file), ImageError::Damaged { .. }),
                "{share} tenths"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_bytes_are_no_picture(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for start in [&b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"] {
            prop_assert!(read(&[start, &bytes].concat(), recipe()).is_err());
        }
    }

    #[test]
    fn damaged_files_give_an_error_or_a_whole_square(
        which in 0..4_usize,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u32, any::<bool>()), 1..12),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut file = valid()[which].clone();
        for (at, bit, early) in flips {
            // Half of the damage goes where the headers are.
            let within = if early { file.len().min(700) } else { file.len() };
            file[at.index(within)] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(pixels) = read(&file, recipe()) {
            prop_assert_eq!(pixels.rgb().len(), 224 * 224 * 3);
        }
    }
}
