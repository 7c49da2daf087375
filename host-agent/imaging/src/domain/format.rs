//! What kind of file this is, by its first bytes.

use super::ImageError;

/// A format this path reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// ISO/IEC 15948.
    Png,
}

/// Formats a user may push by mistake: what they are called, where their signature starts, the signature.
const OTHERS: [(&str, usize, &[u8]); 16] = [
    ("a GIF picture", 0, b"GIF8"),
    ("a TIFF picture", 0, b"II*\0"),
    ("a TIFF picture", 0, b"MM\0*"),
    ("a BigTIFF picture", 0, b"II+\0"),
    ("a BigTIFF picture", 0, b"MM\0+"),
    ("a WebP picture", 8, b"WEBP"),
    ("a HEIF picture", 4, b"ftyphei"),
    ("a HEIF picture", 4, b"ftypmif"),
    ("an AVIF picture", 4, b"ftypavi"),
    ("a JPEG 2000 picture", 0, b"\0\0\0\x0cjP  "),
    ("a JPEG XL picture", 0, b"\xff\x0a"),
    ("a BMP picture", 0, b"BM"),
    ("a DICOM file", 128, b"DICM"),
    ("a PDF document", 0, b"%PDF-"),
    ("a ZIP archive", 0, b"PK\x03\x04"),
    ("an SVG drawing", 0, b"<svg"),
];

impl Format {
    /// The format of a file.
    ///
    /// # Errors
    /// [`ImageError::Empty`], [`ImageError::OtherFormat`], [`ImageError::UnknownFormat`].
    pub fn of(file: &[u8]) -> Result<Self, ImageError> {
        if file.is_empty() {
            return Err(ImageError::Empty);
        }
        if file.starts_with(b"\xff\xd8") {
            return Ok(Self::Jpeg);
        }
        if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Ok(Self::Png);
        }
        let named = OTHERS
            .into_iter()
            .find(|&(_, at, signature)| file.get(at..).is_some_and(|behind| behind.starts_with(signature)));
        Err(
            named.map_or(ImageError::UnknownFormat, |(found, ..)| ImageError::OtherFormat {
                found,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_may_push_by_mistake_is_named() {
        let dicom = [&[0; 128][..], b"DICM", &[0; 9]].concat();
        for (file, name) in [
            (&b"GIF89a.."[..], "a GIF picture"),
            (b"II*\0....", "a TIFF picture"),
            (b"MM\0*....", "a TIFF picture"),
            (b"RIFF....WEBPVP8 ", "a WebP picture"),
            (b"\0\0\0\x18ftypheic", "a HEIF picture"),
            (b"BM......", "a BMP picture"),
            (b"%PDF-1.7", "a PDF document"),
            (&dicom, "a DICOM file"),
        ] {
            let refused = Format::of(file).unwrap_err();
            assert!(
                matches!(refused, ImageError::OtherFormat { found } if found == name),
                "{refused}"
            );
        }
        assert!(matches!(Format::of(b""), Err(ImageError::Empty)));
        for file in [&b"hello"[..], b"\x89PNG\r\n", b"\xff", b"GIF"] {
            assert!(matches!(Format::of(file), Err(ImageError::UnknownFormat)));
        }
    }
}
