//! The one image path of the product: the device calls it on what a user pushes, training calls it on its data.
//!
//! A JPEG or PNG file becomes 8-bit RGB pixels: decoded, turned upright as its EXIF data says, its central square
//! resized with Lanczos3, the centre of that cut out. What the numbers mean to a model (normalisation, patches) is the
//! signed contract's business and is done elsewhere. Colour profiles are not applied: no training image had one.
//!
//! A second task of the program is to draw a result over those pixels, because everything that knows picture formats
//! lives here; a process that has read a file is never asked to.
//!
//! Failure model: a file is hostile until it has been read. Size, format and dimensions are checked before anything is
//! allocated for it; a damaged or truncated file is refused, never filled up; no error shows content. A panic or an
//! abort in a decoder ends the process and nothing else, which is why the program runs as a process of its own.

pub mod adapters;
pub mod domain;

pub use adapters::read::read;
pub use domain::{ImageError, Pixels, Recipe};
