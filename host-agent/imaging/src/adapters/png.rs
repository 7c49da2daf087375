//! PNG: colour or palette, 8 bits, opaque, one picture.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, Limits, codecs::png::PngDecoder};
use zeroize::Zeroizing;

use super::read::index;
use crate::domain::{
    Damage, ImageError, MAX_PIXELS, MAX_SIDE, Orientation, Raster, Recipe, check_dimensions,
};

/// Most memory the decoder may ask for: the largest picture with an alpha channel, and as much again for text and
/// profiles it keeps.
const MAX_DECODER_BYTES: u64 = 8 * MAX_PIXELS;

/// Decodes the whole picture.
///
/// # Errors
/// [`ImageError`].
pub(super) fn decode(file: &[u8], recipe: Recipe) -> Result<Raster, ImageError> {
    let (width, height) = examine(file)?;
    check_dimensions(width, height, recipe)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut decoder = PngDecoder::with_limits(Cursor::new(file), limits).map_err(damaged)?;
    if decoder.is_apng().map_err(damaged)? {
        return Err(ImageError::Animated);
    }
    if decoder.dimensions() != (width, height) {
        return Err(damaged("the decoder reads other dimensions than the header"));
    }
    let channels = match decoder.color_type() {
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        _ => return Err(damaged("the decoder reads other colours than the header")),
    };
    let orientation = decoder.orientation().map_err(damaged)?.to_exif();
    let mut bytes = Zeroizing::new(vec![0; index(width) * index(height) * channels]);
    decoder.read_image(&mut bytes).map_err(damaged)?;
    if channels == 4 {
        without_alpha(&mut bytes)?;
    }
    Raster::new(width, height, Orientation::from_exif(orientation), bytes)
        .ok_or_else(|| damaged("the picture has no pixels"))
}

/// Width and height, once the kind of colours is one that is read: the header chunk is the first one (ISO/IEC 15948,
/// 11.2.2).
fn examine(file: &[u8]) -> Result<(u32, u32), ImageError> {
    let header = file
        .get(8..26)
        .and_then(|chunk| chunk.strip_prefix(b"\0\0\0\x0dIHDR"));
    let Some(&[w3, w2, w1, w0, h3, h2, h1, h0, bits, colours]) =
        header.and_then(|fields| fields.first_chunk())
    else {
        return Err(damaged("the header is not where it belongs"));
    };
    match (colours, bits) {
        (0 | 4, _) => Err(ImageError::Greyscale),
        (2 | 6, 9..) => Err(ImageError::DeepColour { bits }),
        (2 | 3 | 6, _) => Ok((
            u32::from_be_bytes([w3, w2, w1, w0]),
            u32::from_be_bytes([h3, h2, h1, h0]),
        )),
        _ => Err(damaged("there is no such kind of colours")),
    }
}

/// Red, green, blue of pixels that are all opaque, in place.
fn without_alpha(bytes: &mut Vec<u8>) -> Result<(), ImageError> {
    let pixels = bytes.len() / 4;
    for pixel in 0..pixels {
        if bytes[4 * pixel + 3] != u8::MAX {
            return Err(ImageError::Transparent);
        }
        bytes.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
    }
    bytes.truncate(3 * pixels);
    Ok(())
}

fn damaged(source: impl Into<Damage>) -> ImageError {
    ImageError::Damaged {
        format: "PNG",
        source: source.into(),
    }
}
