//! What the command line and the image process say to each other.
//!
//! The image process reads files of foreign origin and nothing else; the command line passes what it made of them
//! on to the vault. Both directions carry a patient's picture, which hides itself in `Debug`.

use std::fmt;

use obscura_protocol::codec;
use serde::{Deserialize, Serialize};

/// Largest picture file, bytes.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Largest frame both ways: a picture file and the little around it.
pub const MAX_FRAME_BYTES: usize = MAX_FILE_BYTES + 1024 * 1024;

/// A picture file, and what to make of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagingRequest {
    /// The file's bytes, JPEG or PNG, at most [`MAX_FILE_BYTES`].
    #[serde(with = "codec::bytes")]
    pub file: Vec<u8>,
    /// Side the central square is resized to, pixels.
    pub side: u32,
    /// Side of the centre that is kept, pixels; at most `side`.
    pub crop: u32,
}

impl fmt::Debug for ImagingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, side, crop } = self;
        write!(f, "ImagingRequest({} bytes, {side}, {crop})", file.len())
    }
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagingReply {
    /// The square.
    Pixels {
        /// Width of the picture as it is looked at, pixels.
        width: u32,
        /// Height of the picture as it is looked at, pixels.
        height: u32,
        /// `crop * crop` pixels row by row, each a byte of red, green and blue.
        #[serde(with = "codec::bytes")]
        rgb: Vec<u8>,
    },
    /// The file is no picture this path reads.
    Refused {
        /// What is wrong with it and what would be right; nothing of its content.
        text: String,
    },
}

impl fmt::Debug for ImagingReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels { width, height, rgb } => {
                write!(f, "Pixels({} bytes of {width}x{height})", rgb.len())
            }
            Self::Refused { text } => f.debug_struct("Refused").field("text", text).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_file_fits_a_frame_and_nothing_shows_its_content() {
        let request = ImagingRequest {
            file: vec![77; MAX_FILE_BYTES],
            side: 288,
            crop: 224,
        };
        let bytes = codec::encode(&request);
        assert!(bytes.len() <= MAX_FRAME_BYTES);
        assert_eq!(
            codec::decode::<ImagingRequest>(&bytes, MAX_FRAME_BYTES),
            Ok(request.clone())
        );
        let reply = ImagingReply::Pixels {
            width: 1,
            height: 1,
            rgb: vec![77; 3],
        };
        assert!(!format!("{request:?} {reply:?}").contains("77"));
    }
}
