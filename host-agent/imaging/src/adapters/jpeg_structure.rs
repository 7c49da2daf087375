//! The skeleton of a JPEG file (ITU-T T.81, annex B): what its frame header announces, and that it is all there.
//!
//! The decoder fills up what is missing at the end of a file and converts printing colours without being asked; here
//! both are found before it sees the file.

use crate::domain::ImageError;

/// What the frame header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Pixels of a row.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
    /// Bits of one sample.
    pub(super) bits: u8,
    /// Colours.
    pub(super) components: u8,
}

/// A file that is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skeleton {
    /// What its frame header says.
    pub(super) frame: Frame,
    /// Where the entropy-coded data of its last scan ends, and a marker begins.
    pub(super) data_end: usize,
}

/// Why the skeleton is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Broken {
    #[error("the file ends before the picture does")]
    EndsEarly,
    #[error("no marker where one is due, at byte {at}")]
    NoMarker { at: usize },
    #[error("marker {marker:#04x} out of place, at byte {at}")]
    OutOfPlace { marker: u8, at: usize },
    #[error("the frame header is too short")]
    ShortFrame,
}

impl From<Broken> for ImageError {
    fn from(broken: Broken) -> Self {
        Self::Damaged {
            format: "JPEG",
            source: Box::new(broken),
        }
    }
}

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const TABLE_HUFFMAN: u8 = 0xc4;
const TABLE_ARITHMETIC: u8 = 0xcc;

/// Walks from the first marker to the end of the image.
///
/// # Errors
/// [`ImageError::Damaged`] for anything T.81 does not allow there, [`ImageError::RareJpeg`].
pub(super) fn examine(file: &[u8]) -> Result<Skeleton, ImageError> {
    let mut frame = None;
    let mut data_end = None;
    let mut at = 2;
    loop {
        let (marker, behind) = marker(file, at)?;
        match marker {
            END => {
                return match (frame, data_end) {
                    (Some(frame), Some(data_end)) => Ok(Skeleton { frame, data_end }),
                    _ => Err(Broken::OutOfPlace { marker, at }.into()),
                };
            }
            // Start, restarts and the other markers without a length have no place between segments.
            0x01..=0xbf | 0xd0..=START => return Err(Broken::OutOfPlace { marker, at }.into()),
            _ => {}
        }
        let (segment, next) = segment(file, behind)?;
        match marker {
            TABLE_HUFFMAN | TABLE_ARITHMETIC | 0xc8 => {}
            0xc0..=0xcf if frame.is_some() => return Err(Broken::OutOfPlace { marker, at }.into()),
            0xc0..=0xcf => frame = Some(frame_header(marker, segment)?),
            SCAN if frame.is_none() => return Err(Broken::OutOfPlace { marker, at }.into()),
            _ => {}
        }
        at = next;
        if marker == SCAN {
            at = end_of_scan(file, next)?;
            data_end = Some(at);
        }
    }
}

/// The marker at `at`, behind any number of fill bytes, and the place behind it.
fn marker(file: &[u8], at: usize) -> Result<(u8, usize), Broken> {
    let rest = file.get(at..).unwrap_or_default();
    let padding = rest.iter().take_while(|&&byte| byte == 0xff).count();
    match rest.get(padding) {
        None => Err(Broken::EndsEarly),
        Some(&marker) if padding > 0 && marker != 0 => Ok((marker, at + padding + 1)),
        Some(_) => Err(Broken::NoMarker { at }),
    }
}

/// The content of the segment whose length is at `at`, and the place behind it.
fn segment(file: &[u8], at: usize) -> Result<(&[u8], usize), Broken> {
    let rest = file.get(at..).unwrap_or_default();
    let (length, _) = rest.split_first_chunk::<2>().ok_or(Broken::EndsEarly)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let content = rest.get(2..length.max(2)).ok_or(Broken::EndsEarly)?;
    if length < 2 {
        return Err(Broken::NoMarker { at });
    }
    Ok((content, at + length))
}

/// The place of the first marker behind entropy-coded data that is no restart.
fn end_of_scan(file: &[u8], from: usize) -> Result<usize, Broken> {
    let mut at = from;
    loop {
        let rest = file.get(at..).unwrap_or_default();
        let found = rest
            .iter()
            .position(|&byte| byte == 0xff)
            .ok_or(Broken::EndsEarly)?;
        match rest.get(found + 1).ok_or(Broken::EndsEarly)? {
            0x00 | 0xd0..=0xd7 => at += found + 2,
            // A fill byte: the marker may still be a restart.
            0xff => at += found + 1,
            _ => return Ok(at + found),
        }
    }
}

fn frame_header(marker: u8, segment: &[u8]) -> Result<Frame, ImageError> {
    let kind = match marker {
        // Baseline, extended sequential, progressive: all with Huffman codes.
        0xc0..=0xc2 => None,
        0xc3 => Some("lossless"),
        0xc9..=0xcb => Some("arithmetic coding"),
        _ => Some("hierarchical"),
    };
    if let Some(kind) = kind {
        return Err(ImageError::RareJpeg { kind });
    }
    let Some(&[bits, y1, y0, x1, x0, components]) = segment.first_chunk() else {
        return Err(Broken::ShortFrame.into());
    };
    Ok(Frame {
        width: u16::from_be_bytes([x1, x0]).into(),
        height: u16::from_be_bytes([y1, y0]).into(),
        bits,
        components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = &[
        0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xc0, 0, 17, 8, 1, 44, 2, 88, 3, 1, 0x22, 0, 2, 0x11,
        1, 3, 0x11, 1,
    ];
    const SCAN_AND_END: &[u8] = &[
        0xff, 0xda, 0, 3, 0, 7, 0xff, 0, 9, 0xff, 0xd0, 5, 0xff, 0xff, 0xd9,
    ];

    #[test]
    fn a_whole_skeleton_gives_its_frame_and_every_part_of_it_is_refused() {
        let file = [HEAD, SCAN_AND_END].concat();
        let Skeleton { frame, data_end } = examine(&file).unwrap();
        assert_eq!(data_end, file.len() - 2);
        assert_eq!((frame.width, frame.height), (600, 300));
        assert_eq!((frame.bits, frame.components), (8, 3));
        for end in 2..file.len() {
            let refused = examine(&file[..end]);
            assert!(matches!(refused, Err(ImageError::Damaged { .. })), "{end}");
        }
        // What follows the end of the image (another picture, a maker's data) is nobody's business.
        assert_eq!(examine(&[&file[..], &[1, 2, 3]].concat()).unwrap().frame, frame);
    }

    #[test]
    fn two_frames_and_scans_without_one_are_refused_and_rare_kinds_named() {
        let start: &[u8] = &[0xff, 0xd8];
        for file in [
            [HEAD, &HEAD[8..], SCAN_AND_END].concat(),
            [start, SCAN_AND_END].concat(),
            [HEAD, start, SCAN_AND_END].concat(),
            [HEAD, &[0xff, 0xd9]].concat(),
            [HEAD, &[0], SCAN_AND_END].concat(),
            [start, &[0xff, 0xe0, 0, 1, 0xff, 0xd9]].concat(),
        ] {
            assert!(matches!(examine(&file), Err(ImageError::Damaged { .. })));
        }
        for (marker, want) in [
            (0xc3, "lossless"),
            (0xc9, "arithmetic coding"),
            (0xc5, "hierarchical"),
        ] {
            let file = [start, &[0xff, marker, 0, 8, 8, 1, 0, 1, 0, 3], SCAN_AND_END].concat();
            assert!(matches!(examine(&file), Err(ImageError::RareJpeg { kind }) if kind == want));
        }
    }
}
