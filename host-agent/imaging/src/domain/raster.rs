//! A whole decoded picture, which way up it is, and the square in its middle.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// How a picture is turned to be upright: exchange of the axes first, then mirrors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    exchange: bool,
    mirror_x: bool,
    mirror_y: bool,
}

impl Orientation {
    /// Of the EXIF tag Orientation (CIPA DC-008, tag 0x0112); numbers other than 1 to 8 mean upright.
    pub fn from_exif(tag: u8) -> Self {
        Self {
            exchange: (5..=8).contains(&tag),
            mirror_x: matches!(tag, 2 | 3 | 7 | 8),
            mirror_y: matches!(tag, 3 | 4 | 6 | 7),
        }
    }
}

/// Decoded pixels as they are stored: rows from the top, red, green, blue.
///
/// Invariant: `rgb` holds `width * height` pixels, both at least 1.
pub struct Raster {
    width: usize,
    height: usize,
    orientation: Orientation,
    rgb: Zeroizing<Vec<u8>>,
}

impl Raster {
    /// A picture of `width` x `height` pixels, or `None` when the bytes are not that many.
    pub fn new(width: u32, height: u32, orientation: Orientation, rgb: Zeroizing<Vec<u8>>) -> Option<Self> {
        let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
        let len = width.checked_mul(height)?.checked_mul(CHANNELS)?;
        (len > 0 && rgb.len() == len).then_some(Self {
            width,
            height,
            orientation,
            rgb,
        })
    }

    /// Width and height of the upright picture.
    pub fn upright(&self) -> (usize, usize) {
        if self.orientation.exchange {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }

    /// The square in the middle of the upright picture; what cannot be halved goes to the right and the bottom.
    pub fn central_square(&self) -> Square {
        let (width, height) = self.upright();
        let side = width.min(height);
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let mut rgb = Zeroizing::new(Vec::with_capacity(side * side * CHANNELS));
        for y in top..top + side {
            for x in left..left + side {
                let at = self.stored(x, y) * CHANNELS;
                rgb.extend_from_slice(&self.rgb[at..at + CHANNELS]);
            }
        }
        Square { side, rgb }
    }

    /// Number of the stored pixel that is at `x`, `y` of the upright picture.
    fn stored(&self, x: usize, y: usize) -> usize {
        let Orientation {
            exchange,
            mirror_x,
            mirror_y,
        } = self.orientation;
        let (x, y) = if exchange { (y, x) } else { (x, y) };
        let x = if mirror_x { self.width - 1 - x } else { x };
        let y = if mirror_y { self.height - 1 - y } else { y };
        y * self.width + x
    }
}

impl fmt::Debug for Raster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raster({}x{})", self.width, self.height)
    }
}

/// A square of pixels, rows from the top; wiped on drop, never printed.
pub struct Square {
    side: usize,
    rgb: Zeroizing<Vec<u8>>,
}

impl Square {
    /// A square, or `None` when the bytes are not as many pixels.
    pub fn new(side: usize, rgb: Zeroizing<Vec<u8>>) -> Option<Self> {
        (side > 0 && rgb.len() == side * side * CHANNELS).then_some(Self { side, rgb })
    }

    /// Its side, pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Its bytes.
    pub fn into_rgb(self) -> Zeroizing<Vec<u8>> {
        self.rgb
    }

    /// The centre of `crop` x `crop` pixels, all of it when there is no more; what cannot be halved goes to the right
    /// and the bottom.
    pub fn centre(&self, crop: usize) -> Zeroizing<Vec<u8>> {
        let crop = crop.min(self.side);
        let start = (self.side - crop) / 2;
        let mut rgb = Zeroizing::new(Vec::with_capacity(crop * crop * CHANNELS));
        for y in start..start + crop {
            let at = (y * self.side + start) * CHANNELS;
            rgb.extend_from_slice(&self.rgb[at..at + crop * CHANNELS]);
        }
        rgb
    }
}

impl fmt::Debug for Square {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Square({0}x{0})", self.side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three columns and two rows, numbered; read upright for each EXIF number.
    #[test]
    fn every_orientation_reads_the_stored_pixels_in_its_order() {
        let rgb: Vec<u8> = (1..=6).flat_map(|n| [n; CHANNELS]).collect();
        for (tag, rows) in [
            (0, [1, 2, 3, 4, 5, 6]),
            (1, [1, 2, 3, 4, 5, 6]),
            (2, [3, 2, 1, 6, 5, 4]),
            (3, [6, 5, 4, 3, 2, 1]),
            (4, [4, 5, 6, 1, 2, 3]),
            (5, [1, 4, 2, 5, 3, 6]),
            (6, [4, 1, 5, 2, 6, 3]),
            (7, [6, 3, 5, 2, 4, 1]),
            (8, [3, 6, 2, 5, 1, 4]),
            (9, [1, 2, 3, 4, 5, 6]),
        ] {
            let raster = Raster::new(3, 2, Orientation::from_exif(tag), rgb.clone().into()).unwrap();
            let (width, height) = raster.upright();
            let read: Vec<u8> = (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .map(|(x, y)| raster.rgb[raster.stored(x, y) * CHANNELS])
                .collect();
            assert_eq!(read, rows, "orientation {tag}");
        }
    }

    #[test]
    fn squares_are_central_and_what_cannot_be_halved_goes_right() {
        let rgb: Vec<u8> = (0..10).flat_map(|n| [n; CHANNELS]).collect();
        let wide = Raster::new(5, 2, Orientation::default(), rgb.clone().into()).unwrap();
        let square = wide.central_square();
        assert_eq!(
            square.rgb.iter().step_by(3).copied().collect::<Vec<_>>(),
            [1, 2, 6, 7]
        );
        let square = Square::new(3, (0..9).flat_map(|n| [n; CHANNELS]).collect::<Vec<u8>>().into()).unwrap();
        assert_eq!(square.centre(1).as_slice(), [4; 3]);
        assert_eq!(
            square.centre(2).iter().step_by(3).copied().collect::<Vec<_>>(),
            [0, 1, 3, 4]
        );
        assert_eq!(square.centre(4).len(), 27);
        assert!(Raster::new(5, 3, Orientation::default(), rgb.into()).is_none());
    }
}
