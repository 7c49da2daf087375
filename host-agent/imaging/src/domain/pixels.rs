//! What is asked for, and what comes out.

use std::fmt;

use zeroize::Zeroizing;

use super::ImageError;

/// Largest side of a resized square.
const MAX_RECIPE_SIDE: u32 = 2048;

/// How large the central square becomes, and how much of it is kept.
///
/// Invariant: `1 <= crop <= side <= 2048`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    side: u32,
    crop: u32,
}

impl Recipe {
    /// Resize to `side` x `side`, keep the centre `crop` x `crop`.
    ///
    /// # Errors
    /// [`ImageError::MisuseRecipe`].
    pub fn new(side: u32, crop: u32) -> Result<Self, ImageError> {
        if crop == 0 || crop > side || side > MAX_RECIPE_SIDE {
            return Err(ImageError::MisuseRecipe { side, crop });
        }
        Ok(Self { side, crop })
    }

    /// Side of the resized square, pixels.
    pub fn side(self) -> u32 {
        self.side
    }

    /// Side of the centre that is kept, pixels.
    pub fn crop(self) -> u32 {
        self.crop
    }
}

/// The centre of a patient's picture; wiped on drop, never printed.
pub struct Pixels {
    width: u32,
    height: u32,
    rgb: Zeroizing<Vec<u8>>,
}

impl Pixels {
    /// Pixels out of a picture of `width` x `height`.
    pub(crate) fn new(width: u32, height: u32, rgb: Zeroizing<Vec<u8>>) -> Self {
        Self { width, height, rgb }
    }

    /// Width of the whole picture as it is looked at, pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height of the whole picture as it is looked at, pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `crop * crop` pixels row by row, each a byte of red, green and blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, rgb } = self;
        write!(f, "Pixels({} bytes of {width}x{height})", rgb.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_cuts_its_centre_out_of_its_square() {
        assert_eq!(Recipe::new(288, 224).unwrap().crop(), 224);
        for (side, crop) in [(224, 288), (288, 0), (0, 0), (2049, 224)] {
            assert!(Recipe::new(side, crop).is_err(), "{side} {crop}");
        }
    }

    #[test]
    fn pixels_do_not_show_themselves() {
        let pixels = Pixels::new(1, 1, Zeroizing::new(vec![77; 3]));
        assert_eq!(format!("{pixels:?}"), "Pixels(3 bytes of 1x1)");
    }
}
