//! Resizing, with Lanczos3 as the signed contracts name it.
//!
//! `image::imageops` weighs source pixels with `sinc(x) sinc(x / 3)` over three pixels of the coarser of both grids, in
//! 32-bit floats, first down, then across, and rounds once: the same pixels on every run.

use image::{
    RgbImage,
    imageops::{self, FilterType},
};
use zeroize::Zeroizing;

use super::read::index;
use crate::domain::Square;

/// The square at `side` x `side` pixels; a square of that side passes through untouched.
pub(super) fn resize(square: Square, side: u32) -> Square {
    let own = u32::try_from(square.side()).unwrap_or(u32::MAX);
    if own == side {
        return square;
    }
    let bytes = std::mem::take(&mut *square.into_rgb());
    let whole = RgbImage::from_raw(own, own, bytes).expect("a square holds its side's square of pixels");
    let small = imageops::resize(&whole, side, side, FilterType::Lanczos3);
    drop(Zeroizing::new(whole.into_raw()));
    Square::new(index(side), Zeroizing::new(small.into_raw()))
        .expect("the resized square has the side asked for")
}
