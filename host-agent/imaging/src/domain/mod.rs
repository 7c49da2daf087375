//! What pictures are to the agent: a recipe, pixels, the way up, what is refused and why.

mod drawing;
mod error;
mod format;
mod limits;
mod pixels;
mod raster;

pub use drawing::check_drawing;
pub use error::{Damage, ImageError};
pub use format::Format;
pub use limits::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, check_dimensions};
pub use pixels::{Pixels, Recipe};
pub use raster::{Orientation, Raster, Square};
