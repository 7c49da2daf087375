//! Pictures in every form a camera or a program writes, and what becomes of their pixels.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{
    GREY, GREY_ALPHA, PALETTE, RGB, RGBA, centre, jpeg, jpeg_turned, picture, pixels, png, png_file,
    png_turned, recipe, refused, stored_as,
};
use image::{Rgb, RgbImage};
use obscura_imaging::{ImageError, Recipe, read};
use obscura_protocol::identity::Digest;
use safetensors::SafeTensors;

const PROGRESSIVE: &[u8] = include_bytes!("data/progressive.jpg");

#[test]
fn pictures_of_all_sizes_become_the_same_square_and_tell_their_own_size() {
    for (width, height) in [(224, 224), (288, 288), (600, 450), (450, 600), (225, 1999)] {
        for file in [png(&picture(width, height)), jpeg(&picture(width, height))] {
            let pixels = pixels(&file);
            assert_eq!((pixels.width(), pixels.height()), (width, height));
            assert_eq!(pixels.rgb().len(), 224 * 224 * 3);
        }
    }
}

#[test]
fn twelve_megapixels_are_read() {
    let file = jpeg(&picture(4000, 3000));
    let pixels = pixels(&file);
    assert_eq!((pixels.width(), pixels.height()), (4000, 3000));
}

#[test]
fn a_picture_of_the_side_asked_for_passes_through() {
    let picture = picture(288, 288);
    assert_eq!(pixels(&png(&picture)).rgb(), centre(&picture));
    let whole = read(&png(&picture), Recipe::new(288, 288).unwrap()).unwrap();
    assert_eq!(whole.rgb(), picture.as_raw().as_slice());
}

#[test]
fn only_the_central_square_counts() {
    let inner = picture(300, 300);
    for border in [[0; 3], [255; 3]] {
        let wide = RgbImage::from_fn(421, 300, |x, y| match x.checked_sub(60) {
            Some(x) if x < 300 => *inner.get_pixel(x, y),
            _ => Rgb(border),
        });
        assert_eq!(pixels(&png(&wide)).rgb(), pixels(&png(&inner)).rgb());
    }
}

#[test]
fn all_orientations_give_the_pixels_of_the_upright_picture() {
    for size in [(600, 451), (451, 600), (288, 288)] {
        let upright = picture(size.0, size.1);
        let want = pixels(&png(&upright));
        for tag in 1..=8 {
            let got = pixels(&png_turned(&stored_as(&upright, tag), tag));
            assert_eq!(got.rgb(), want.rgb(), "orientation {tag} of {size:?}");
            assert_eq!((got.width(), got.height()), size, "orientation {tag}");
        }
    }
}

#[test]
fn orientations_of_jpeg_files_turn_what_was_decoded() {
    let decoded = image::load_from_memory(&jpeg(&picture(320, 290)))
        .unwrap()
        .into_rgb8();
    for tag in 1..=8 {
        let undo = match tag {
            6 => 8,
            8 => 6,
            other => other,
        };
        let want = pixels(&png(&stored_as(&decoded, undo)));
        let got = pixels(&jpeg_turned(&picture(320, 290), tag));
        assert_eq!(got.rgb(), want.rgb(), "orientation {tag}");
    }
}

/// Source pixels and their weights for place `out` of a row of `side`, by the definition of Lanczos3.
fn lanczos3(source: u32, side: u32, out: u32) -> Vec<(u32, f64)> {
    let sinc = |x: f64| {
        let x = std::f64::consts::PI * x;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    let ratio = f64::from(source) / f64::from(side);
    let middle = (f64::from(out) + 0.5) * ratio - 0.5;
    let near = |at: u32| (at, (f64::from(at) - middle) / ratio.max(1.0));
    let weights: Vec<(u32, f64)> = (0..source)
        .map(near)
        .filter(|(_, x)| x.abs() < 3.0)
        .map(|(at, x)| (at, sinc(x) * sinc(x / 3.0)))
        .collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights
        .into_iter()
        .map(|(at, weight)| (at, weight / sum))
        .collect()
}

#[test]
fn the_filter_is_lanczos3() {
    for source in [224, 300, 410] {
        let picture = picture(source, source);
        let got = pixels(&png(&picture));
        for (y, x) in (0..224)
            .step_by(13)
            .flat_map(|y| (0..224).step_by(17).map(move |x| (y, x)))
        {
            // The centre starts 32 pixels into the square.
            let [down, across] = [y + 32, x + 32].map(|out| lanczos3(source, 288, out));
            for channel in 0..3 {
                let taps = down
                    .iter()
                    .flat_map(|&(py, v)| across.iter().map(move |&(px, h)| (px, py, v * h)));
                let sum: f64 = taps
                    .map(|(px, py, weight)| weight * f64::from(picture.get_pixel(px, py).0[channel]))
                    .sum();
                let got = got.rgb()[(y * 224 + x) as usize * 3 + channel];
                let distance = (f64::from(got) - sum.clamp(0.0, 255.0)).abs();
                assert!(distance < 0.51, "{got} for {sum} at {x}, {y} from {source}");
            }
        }
    }
}

#[test]
fn a_flat_picture_stays_flat() {
    let flat = RgbImage::from_pixel(700, 333, Rgb([3, 128, 252]));
    let made = pixels(&png(&flat));
    assert!(made.rgb().chunks_exact(3).all(|pixel| pixel == [3, 128, 252]));
}

/// A change of these numbers is a change of what every model reads: they may only change together with the models.
#[test]
fn the_pixels_are_those_of_the_first_release() {
    let resized = pixels(&png(&picture(300, 260)));
    assert_eq!(
        Digest::of(resized.rgb()).to_string(),
        "4217e4cf44eb587bb256d22dd0f30ca568fe9e87cd62b7047eb5def6978980bb",
        "resizing changed"
    );
    assert_eq!(pixels(&png(&picture(300, 260))).rgb(), resized.rgb());
    let decoded = read(PROGRESSIVE, Recipe::new(230, 230).unwrap()).unwrap();
    assert_eq!(
        Digest::of(decoded.rgb()).to_string(),
        "6f4c9c96c56d9e9ea17a43953c84b24fa6f1f7289ab8f5af5b9f952a7c3cc0aa",
        "decoding JPEG changed"
    );
}

/// Committed patches are what training made of the same file, with another JPEG decoder.
#[test]
fn a_real_image_gives_nearly_the_integers_that_training_saw() {
    const IMAGE: &[u8] = include_bytes!("../../../tests/fixtures/images/ISIC_0028696.jpg");
    const PATCHES: &[u8] = include_bytes!("../../../tests/fixtures/patches/patches.safetensors");
    // Its number in patches.json.
    const NUMBER: i64 = 4;
    let file = SafeTensors::deserialize(PATCHES).unwrap();
    let numbers = |name: &str| -> Vec<i64> {
        let data = file.tensor(name).unwrap().data();
        data.as_chunks()
            .0
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes))
            .collect()
    };
    let (image, position) = (numbers("image"), numbers("position"));
    let patches = file.tensor("patches").unwrap();
    let made = pixels(IMAGE);
    let (mut sum, mut count, mut most) = (0.0, 0.0, 0.0_f64);
    for (patch, bytes) in patches.data().chunks_exact(3 * 32 * 32).enumerate() {
        if image[patch] != NUMBER {
            continue;
        }
        let place = usize::try_from(position[patch]).unwrap();
        for (at, &want) in bytes.iter().enumerate() {
            let (channel, y, x) = (at / 1024, place / 7 * 32 + at / 32 % 32, place % 7 * 32 + at % 32);
            let level = f64::from(made.rgb()[(y * 224 + x) * 3 + channel]);
            let (mean, deviation) = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)][channel];
            let got = (48.0 * (level / 255.0 - mean) / deviation + 0.5).floor();
            let distance = (got - f64::from(want.cast_signed())).abs();
            sum += distance;
            count += 1.0;
            most = most.max(distance);
        }
    }
    assert!(
        count > 49_000.0 && most <= 3.0 && sum / count < 0.2,
        "{most}, {sum} in {count}"
    );
}

#[test]
fn progressive_files_are_read() {
    let made = pixels(PROGRESSIVE);
    assert_eq!((made.width(), made.height()), (240, 230));
}

#[test]
fn palettes_and_opaque_alpha_give_the_pixels_of_plain_colours() {
    let plain = RgbImage::from_fn(300, 250, |x, y| {
        let at = u8::try_from((x / 7 + y / 5) % 4).unwrap();
        Rgb([at * 60, 255 - at, at * at])
    });
    let want = pixels(&png(&plain));
    let palette: Vec<u8> = (0..4).flat_map(|at| [at * 60, 255 - at, at * at]).collect();
    let numbers: Vec<u8> = plain.pixels().map(|pixel| 255 - pixel.0[1]).collect();
    let size = plain.dimensions();
    let whole = png_file(size, PALETTE, 8, &[(b"PLTE", &palette)], &numbers);
    assert_eq!(pixels(&whole).rgb(), want.rgb());
    let packed: Vec<u8> = numbers
        .chunks_exact(4)
        .map(|four| four.iter().fold(0, |byte, number| byte << 2 | number))
        .collect();
    let packed = png_file(size, PALETTE, 2, &[(b"PLTE", &palette)], &packed);
    assert_eq!(pixels(&packed).rgb(), want.rgb());
    let alpha: Vec<u8> = plain
        .pixels()
        .flat_map(|p| [p.0[0], p.0[1], p.0[2], 255])
        .collect();
    assert_eq!(pixels(&png_file(size, RGBA, 8, &[], &alpha)).rgb(), want.rgb());
    let opaque = png_file(
        size,
        PALETTE,
        8,
        &[(b"PLTE", &palette), (b"tRNS", &[255; 4])],
        &numbers,
    );
    assert_eq!(pixels(&opaque).rgb(), want.rgb());
}

#[test]
fn one_pixel_that_is_not_opaque_is_one_too_many() {
    let size = (300, 250);
    let mut alpha = vec![255; 300 * 250 * 4];
    alpha[4 * 1234 + 3] = 254;
    let by_channel = png_file(size, RGBA, 8, &[], &alpha);
    let palette: &[(&[u8; 4], &[u8])] = &[(b"PLTE", &[9; 6]), (b"tRNS", &[255, 0])];
    let mut numbers = vec![0; 300 * 250];
    numbers[77] = 1;
    let by_palette = png_file(size, PALETTE, 8, palette, &numbers);
    let by_colour = png_file(
        size,
        RGB,
        8,
        &[(b"tRNS", &[0, 7, 0, 7, 0, 7])],
        &vec![7; 300 * 250 * 3],
    );
    for file in [by_channel, by_palette, by_colour] {
        assert!(matches!(refused(&file), ImageError::Transparent));
    }
}

#[test]
fn colours_the_model_does_not_read_are_refused_by_their_name() {
    let size = (300, 250);
    for (colours, bits, len) in [(GREY, 8, 1), (GREY, 16, 2), (GREY_ALPHA, 8, 2)] {
        let file = png_file(size, colours, bits, &[], &vec![5; 300 * 250 * len]);
        assert!(matches!(refused(&file), ImageError::Greyscale));
    }
    let one_bit = png_file((304, 250), GREY, 1, &[], &[5; 304 / 8 * 250]);
    assert!(matches!(refused(&one_bit), ImageError::Greyscale));
    for (colours, len) in [(RGB, 6), (RGBA, 8)] {
        let deep = png_file(size, colours, 16, &[], &vec![5; 300 * 250 * len]);
        assert!(matches!(refused(&deep), ImageError::DeepColour { bits: 16 }));
    }
    let colour = jpeg(&picture(300, 250));
    let at = colour.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let altered = |place: usize, value: u8| {
        let mut file = colour.clone();
        file[at + place] = value;
        refused(&file)
    };
    assert!(matches!(altered(9, 1), ImageError::Greyscale));
    assert!(matches!(altered(9, 4), ImageError::PrintingColours));
    assert!(matches!(altered(4, 12), ImageError::DeepColour { bits: 12 }));
    assert!(matches!(
        altered(1, 0xc3),
        ImageError::RareJpeg { kind: "lossless" }
    ));
}

#[test]
fn animations_are_refused() {
    let control = [0, 0, 0, 2, 0, 0, 0, 0];
    let file = png_file(
        (300, 250),
        RGB,
        8,
        &[(b"acTL", &control)],
        &vec![5; 300 * 250 * 3],
    );
    assert!(matches!(refused(&file), ImageError::Animated));
}

#[test]
fn what_is_refused_says_what_would_be_right() {
    for (file, words) in [
        (png(&picture(223, 300)), "its shorter side needs at least 224"),
        (
            png_file((12_001, 300), RGB, 8, &[], &[]),
            "at most 12000x12000 and 64 million pixels",
        ),
        (
            b"GIF89a".to_vec(),
            "this is a GIF picture; a JPEG or PNG picture is needed",
        ),
        (vec![0; 32 * 1024 * 1024 + 1], "at most 33554432 are read"),
        (
            jpeg(&picture(300, 300))[..5000].to_vec(),
            "damaged or incomplete; copy or export it again",
        ),
    ] {
        let text = refused(&file).to_string();
        assert!(text.contains(words), "{text}");
    }
    assert!(read(&png(&picture(300, 300)), recipe()).is_ok());
}
