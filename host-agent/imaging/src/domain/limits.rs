//! How large a file and a picture may be, checked before anything is allocated for its pixels.

use super::{ImageError, Recipe};

/// Longest file, bytes.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Longest side of a picture, pixels.
pub const MAX_SIDE: u32 = 12_000;

/// Most pixels of a picture.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Checks the dimensions a file announces.
///
/// # Errors
/// [`ImageError::TooLarge`]; [`ImageError::TooSmall`] when the centre would hold invented pixels.
pub fn check_dimensions(width: u32, height: u32, recipe: Recipe) -> Result<(), ImageError> {
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge { width, height });
    }
    let min = recipe.crop();
    if width.min(height) < min {
        return Err(ImageError::TooSmall { width, height, min });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_bounded_on_both_sides_and_in_their_product() {
        let recipe = Recipe::new(288, 224).unwrap();
        for (width, height) in [(224, 224), (224, 12_000), (8000, 8000), (12_000, 5333)] {
            check_dimensions(width, height, recipe).unwrap();
        }
        for (width, height) in [(12_001, 300), (300, 12_001), (8001, 8000), (u32::MAX, u32::MAX)] {
            let refused = check_dimensions(width, height, recipe);
            assert!(matches!(refused, Err(ImageError::TooLarge { .. })), "{width}");
        }
        for (width, height) in [(223, 500), (500, 223), (0, 0)] {
            let refused = check_dimensions(width, height, recipe).unwrap_err();
            assert!(refused.to_string().contains("would have to be enlarged"));
        }
    }
}
