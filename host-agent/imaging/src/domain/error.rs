//! Why a file gave no pixels: what is wrong with it, and what would be right.

use std::error::Error;

use super::{MAX_PIXELS, MAX_SIDE};

/// What a decoder or a look at the file's structure found.
pub type Damage = Box<dyn Error + Send + Sync>;

/// Why a file gave no pixels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The recipe asks for no square, or for a larger centre than there is.
    #[error(
        "a centre of {crop} pixels cannot be cut out of a square of {side}; 1 <= centre <= side <= 2048 is needed"
    )]
    MisuseRecipe {
        /// Side of the resized square.
        side: u32,
        /// Side of the centre.
        crop: u32,
    },
    /// A drawing's numbers do not fit together.
    #[error("the result cannot be drawn: {what}")]
    MisuseDrawing {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than any picture this path reads.
    #[error("the file is {got_bytes} bytes long, at most {max_bytes} are read")]
    FileTooLarge {
        /// Its length.
        got_bytes: usize,
        /// The most there may be.
        max_bytes: usize,
    },
    /// The file is of a kind that is recognised and not read.
    #[error("this is {found}; a JPEG or PNG picture is needed")]
    OtherFormat {
        /// Its kind, with an article.
        found: &'static str,
    },
    /// The file is of no kind that is recognised.
    #[error("this is no picture that can be recognised; a JPEG or PNG picture is needed")]
    UnknownFormat,
    /// The picture would have to be enlarged.
    #[error(
        "the picture is {width}x{height} pixels and would have to be enlarged; its shorter side needs at least {min}"
    )]
    TooSmall {
        /// Its width, as it is stored.
        width: u32,
        /// Its height, as it is stored.
        height: u32,
        /// Fewest pixels of the shorter side.
        min: u32,
    },
    /// The picture has more pixels than this path reads.
    #[error(
        "the picture is {width}x{height} pixels; at most {MAX_SIDE}x{MAX_SIDE} and {} million pixels are read",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Its width, as it is stored.
        width: u32,
        /// Its height, as it is stored.
        height: u32,
    },
    /// The picture has no colour.
    #[error("the picture is greyscale; the model reads colour, so a picture taken in colour is needed")]
    Greyscale,
    /// The picture is in printing colours.
    #[error("the picture is in printing colours (CMYK); save it in RGB, as cameras do")]
    PrintingColours,
    /// The picture has more than 8 bits a colour: whether its numbers fill that range is not written in it.
    #[error("the picture has {bits} bits per colour; save it with 8")]
    DeepColour {
        /// Bits of one colour of one pixel.
        bits: u8,
    },
    /// Something would have to be invented behind transparent pixels.
    #[error("parts of the picture are transparent; save it without transparency")]
    Transparent,
    /// The picture moves.
    #[error("the picture is an animation; a single picture is needed")]
    Animated,
    /// A JPEG of a kind that only special programs write.
    #[error("the picture is a JPEG of a rare kind ({kind}); save it as an ordinary (baseline) JPEG")]
    RareJpeg {
        /// Its kind.
        kind: &'static str,
    },
    /// The file breaks the rules of its format, or ends too early.
    #[error("the {format} file is damaged or incomplete; copy or export it again")]
    Damaged {
        /// Its format.
        format: &'static str,
        /// What was found.
        source: Damage,
    },
}
