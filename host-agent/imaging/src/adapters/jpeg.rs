//! JPEG: baseline and progressive, three colours of 8 bits.

use image::metadata;
use zeroize::Zeroizing;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    jpeg_structure::{Frame, Skeleton, examine},
    read::index,
};
use crate::domain::{Damage, ImageError, MAX_SIDE, Orientation, Raster, Recipe, check_dimensions};

/// Most scans of a progressive file: encoders write about ten, and each takes as long as a whole picture.
const MAX_SCANS: usize = 64;

/// What is put behind the data of the last scan: bits that are all 1, which no code word is (T.81, annex C). Where data
/// runs out the decoder takes zeros and makes up grey blocks; these it refuses, and a whole picture never reaches them.
const NO_CODE_WORDS: [u8; 32] = {
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < bytes.len() {
        // A stuffed zero follows each, or it would be a marker.
        bytes[at] = 0xff;
        at += 2;
    }
    bytes
};
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// Decodes the whole picture.
///
/// # Errors
/// [`ImageError`].
pub(super) fn decode(file: &[u8], recipe: Recipe) -> Result<Raster, ImageError> {
    let Skeleton { frame, data_end } = examine(file)?;
    check_colours(frame)?;
    let Frame { width, height, .. } = frame;
    check_dimensions(width, height, recipe)?;
    // A code word has a bit at least, and every block of 8x8 pixels one code word: a few bytes cannot ask for the work of
    // a large picture.
    if index(width) * index(height) / 64 > 8 * file.len() {
        return Err(damaged("the file is too short for its dimensions"));
    }
    let whole = [&file[..data_end], &NO_CODE_WORDS, &END_OF_IMAGE].concat();
    let file = Zeroizing::new(whole);
    // Strict, or what is unreadable would be filled up with grey; without vector code, which is neither safe Rust
    // nor the same on every processor.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_use_unsafe(false)
        .set_max_width(index(MAX_SIDE))
        .set_max_height(index(MAX_SIDE))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file.as_slice()), options);
    decoder.decode_headers().map_err(refused)?;
    let announced = decoder.info().map(|info| (info.width, info.height));
    if announced.map(|(width, height)| (width.into(), height.into())) != Some((width, height)) {
        return Err(damaged(
            "the decoder reads other dimensions than the frame header",
        ));
    }
    if !matches!(
        decoder.input_colorspace(),
        Some(ColorSpace::YCbCr | ColorSpace::RGB)
    ) {
        return Err(ImageError::RareJpeg {
            kind: "unusual colours",
        });
    }
    let orientation = decoder
        .exif()
        .and_then(|exif| metadata::Orientation::from_exif_chunk(exif))
        .map_or(1, metadata::Orientation::to_exif);
    let mut rgb = Zeroizing::new(vec![0; index(width) * index(height) * 3]);
    decoder.decode_into(&mut rgb).map_err(refused)?;
    Raster::new(width, height, Orientation::from_exif(orientation), rgb)
        .ok_or_else(|| damaged("the picture has no pixels"))
}

fn check_colours(frame: Frame) -> Result<(), ImageError> {
    match (frame.components, frame.bits) {
        (1, _) => Err(ImageError::Greyscale),
        (4, _) => Err(ImageError::PrintingColours),
        (3, 8) => Ok(()),
        (3, bits) => Err(ImageError::DeepColour { bits }),
        _ => Err(ImageError::RareJpeg {
            kind: "unusual colours",
        }),
    }
}

fn refused(error: DecodeErrors) -> ImageError {
    damaged(error)
}

fn damaged(source: impl Into<Damage>) -> ImageError {
    ImageError::Damaged {
        format: "JPEG",
        source: source.into(),
    }
}
