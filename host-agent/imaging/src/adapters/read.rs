//! The whole path: file in, pixels out.

use crate::{
    adapters::{jpeg, png, resize::resize},
    domain::{Format, ImageError, MAX_FILE_BYTES, Pixels, Recipe},
};

/// Reads a picture file: decode, turn upright, central square, resize, centre.
///
/// A picture whose central square has the side asked for already is not resized: its pixels are passed on.
///
/// # Errors
/// [`ImageError`], which says what is wrong with the file.
pub fn read(file: &[u8], recipe: Recipe) -> Result<Pixels, ImageError> {
    let (got_bytes, max_bytes) = (file.len(), MAX_FILE_BYTES);
    if got_bytes > max_bytes {
        return Err(ImageError::FileTooLarge { got_bytes, max_bytes });
    }
    let raster = match Format::of(file)? {
        Format::Jpeg => jpeg::decode(file, recipe)?,
        Format::Png => png::decode(file, recipe)?,
    };
    let (width, height) = raster.upright();
    let square = raster.central_square();
    // The square is all that is needed from here on, and the whole picture may be large.
    drop(raster);
    let [side, crop] = [recipe.side(), recipe.crop()];
    let centre = resize(square, side).centre(index(crop));
    let dimension = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    Ok(Pixels::new(dimension(width), dimension(height), centre))
}

/// A number of pixels as an index.
pub(super) fn index(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}
