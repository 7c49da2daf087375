//! What the command line and the image process say to each other.
//!
//! The image process reads files of foreign origin, and draws results; the command line passes what it made of a file
//! on to the vault. Both directions carry a patient's picture, which hides itself in `Debug`.

use std::fmt;

use obscura_protocol::codec;
use serde::{Deserialize, Serialize};

use crate::agent::ClassShare;

/// Largest picture file, bytes.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Largest frame both ways: a picture file and the little around it.
pub const MAX_FRAME_BYTES: usize = MAX_FILE_BYTES + 1024 * 1024;

/// What the command line asks of the image process.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagingRequest {
    /// Read a picture file.
    Read {
        /// The file's bytes, JPEG or PNG, at most [`MAX_FILE_BYTES`].
        #[serde(with = "codec::bytes")]
        file: Vec<u8>,
        /// Side the central square is resized to, pixels.
        side: u32,
        /// Side of the centre that is kept, pixels; at most `side`.
        crop: u32,
    },
    /// Draw a result. Asked of a process that has read no file: one that a file took over could draw another result.
    Draw(Drawing),
}

impl fmt::Debug for ImagingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, side, crop } => write!(f, "Read({} bytes, {side}, {crop})", file.len()),
            Self::Draw(drawing) => drawing.fmt(f),
        }
    }
}

/// A result to draw: the pixels a model saw, and what it says of each patch of them. A diagnosis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawing {
    /// The first line.
    pub title: String,
    /// Side of the pixels.
    pub side: u32,
    /// `side * side` pixels row by row, each a byte of red, green and blue.
    #[serde(with = "codec::bytes")]
    pub rgb: Vec<u8>,
    /// Patches of a row, and rows.
    pub rows: u32,
    /// The most probable class of each patch, by its place in `classes`, and its probability in thousandths.
    pub map: Vec<(u32, u16)>,
    /// Every class with the probability of the whole image.
    pub classes: Vec<ClassShare>,
    /// What stands below, each a paragraph.
    pub notes: Vec<String>,
}

impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Drawing({} bytes of pixels)", self.rgb.len())
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
    /// A drawn result.
    Picture {
        /// A PNG file.
        #[serde(with = "codec::bytes")]
        png: Vec<u8>,
    },
    /// The file is no picture this path reads, or the drawing cannot be drawn.
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
            Self::Picture { png } => write!(f, "Picture({} bytes)", png.len()),
            Self::Refused { text } => f.debug_struct("Refused").field("text", text).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_file_fits_a_frame_and_nothing_shows_its_content() {
        let request = ImagingRequest::Read {
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
        let drawing = Drawing {
            title: "77".into(),
            side: 1,
            rgb: vec![77; 3],
            rows: 1,
            map: vec![(77, 77)],
            classes: Vec::new(),
            notes: vec!["77".into()],
        };
        let request = (request, ImagingRequest::Draw(drawing));
        assert!(!format!("{request:?} {reply:?}").contains("77"));
    }
}
