//! Drawn results: what is where in the picture, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::picture;
use image::{Rgb, RgbImage};
use obscura_imaging::adapters::draw::draw;
use obscura_local::{agent::ClassShare, imaging::Drawing};

/// Where the pixels stand when the title has one line, and how large they are.
const LEFT: u32 = 16;
const RIGHT: u32 = 480;
const TOP: u32 = 46;
const FIELD: u32 = 448;

fn share(name: &str, permille: u16) -> ClassShare {
    ClassShare {
        name: name.into(),
        label: format!("label of {name}"),
        permille,
    }
}

/// Seven by seven patches, the first of class 1 with certainty, the others of class 0 at 30 %.
fn drawing() -> Drawing {
    let mut map = vec![(0, 300); 49];
    map[0] = (1, 1000);
    Drawing {
        title: "mole.jpg: nevus".into(),
        side: 224,
        rgb: picture(224, 224).into_raw(),
        rows: 7,
        map,
        classes: vec![share("mel", 250), share("nv", 750)],
        notes: vec!["a note ".repeat(40), "another".into()],
    }
}

fn drawn(drawing: &Drawing) -> RgbImage {
    image::load_from_memory(&draw(drawing).unwrap())
        .unwrap()
        .into_rgb8()
}

#[test]
fn the_pixels_stand_left_as_they_are_and_right_under_the_colours_of_their_classes() {
    let (what, drawn) = (drawing(), drawn(&drawing()));
    let original = RgbImage::from_raw(224, 224, what.rgb).unwrap();
    assert_eq!(drawn.width(), 944);
    for (x, y) in [(0, 0), (100, 7), (223, 223), (31, 200)] {
        assert_eq!(
            drawn.get_pixel(LEFT + 2 * x, TOP + 2 * y),
            original.get_pixel(x, y),
            "{x} {y}"
        );
    }
    let distance = |x: u32, y: u32, colour: [u8; 3]| -> u32 {
        let pixel = drawn.get_pixel(RIGHT + x, TOP + y).0;
        pixel
            .iter()
            .zip(colour)
            .map(|(a, b)| u32::from(a.abs_diff(b)))
            .sum()
    };
    let from = |x: u32, y: u32, colour: [u8; 3]| -> u32 {
        let pixel = original.get_pixel(x / 2, y / 2).0;
        pixel
            .iter()
            .zip(colour)
            .map(|(a, b)| u32::from(a.abs_diff(b)))
            .sum()
    };
    let (first, second) = ([230, 159, 0], [86, 180, 233]);
    // A certain patch keeps two fifths of its pixels' own colour, one at 30 % more than two thirds.
    assert!(distance(40, 50, second) <= from(40, 50, second) * 2 / 5 + 3);
    let faint = distance(40 + 64, 50, first);
    assert!(faint <= from(40 + 64, 50, first) * 3 / 4 && faint >= from(40 + 64, 50, first) * 7 / 10 - 3);
    assert_eq!(
        drawn.get_pixel(RIGHT + 64, TOP + 32),
        &Rgb(first),
        "a patch begins with its colour"
    );
}

#[test]
fn classes_stand_below_with_bars_as_long_as_they_are_probable() {
    let drawn = drawn(&drawing());
    let bar = |colour: [u8; 3]| {
        let below = TOP + FIELD;
        let in_row = |y: u32| {
            (RIGHT..944)
                .filter(|x| drawn.get_pixel(*x, y).0 == colour)
                .count()
        };
        (below..drawn.height()).map(in_row).max().unwrap()
    };
    assert_eq!([bar([86, 180, 233]), bar([230, 159, 0])], [384 * 3 / 4, 384 / 4]);
    let row_of = |colour: [u8; 3]| {
        (TOP + FIELD..drawn.height())
            .find(|y| drawn.get_pixel(LEFT, *y).0 == colour)
            .unwrap()
    };
    assert!(
        row_of([86, 180, 233]) < row_of([230, 159, 0]),
        "the most probable first"
    );
}

#[test]
fn pixels_of_any_side_and_any_number_of_patches_fit() {
    for (side, rows) in [(1, 1), (7, 7), (448, 64), (2048, 3)] {
        let small = Drawing {
            side,
            rgb: vec![9; 3 * (side * side) as usize],
            rows,
            map: vec![(1, 0); (rows * rows) as usize],
            title: "täglich \u{4e00} \n\t".repeat(20),
            ..drawing()
        };
        assert!(drawn(&small).height() > FIELD);
    }
}

#[test]
fn numbers_that_do_not_fit_together_are_refused() {
    let broken: [fn(&mut Drawing); 9] = [
        |drawing| drawing.rgb.truncate(9),
        |drawing| drawing.side = 0,
        |drawing| drawing.side = u32::MAX,
        |drawing| drawing.map.truncate(48),
        |drawing| drawing.rows = u32::MAX,
        |drawing| drawing.classes.clear(),
        |drawing| drawing.map[3].0 = 2,
        |drawing| drawing.map[3].1 = 1001,
        |drawing| drawing.notes = vec!["x".repeat(9000)],
    ];
    for (number, break_it) in broken.iter().enumerate() {
        let mut drawing = drawing();
        break_it(&mut drawing);
        let refused = draw(&drawing).unwrap_err().to_string();
        assert!(
            refused.starts_with("the result cannot be drawn"),
            "{number}: {refused}"
        );
    }
}
