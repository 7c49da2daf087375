//! Pictures made for the tests: PNG files by hand, so that every form can be had; JPEG files by the `image` crate.
#![allow(dead_code, reason = "each test takes what it needs")]

use image::{DynamicImage, RgbImage, codecs::jpeg::JpegEncoder, metadata::Orientation};
use obscura_imaging::{ImageError, Pixels, Recipe, read};

/// Kinds of colours of a PNG header: greyscale, red green blue, palette, and the first two with alpha.
pub(crate) const GREY: u8 = 0;
pub(crate) const RGB: u8 = 2;
pub(crate) const PALETTE: u8 = 3;
pub(crate) const GREY_ALPHA: u8 = 4;
pub(crate) const RGBA: u8 = 6;

/// The recipe of the shipped stand-ins.
pub(crate) fn recipe() -> Recipe {
    Recipe::new(288, 224).unwrap()
}

pub(crate) fn pixels(file: &[u8]) -> Pixels {
    read(file, recipe()).unwrap()
}

pub(crate) fn refused(file: &[u8]) -> ImageError {
    read(file, recipe()).unwrap_err()
}

/// A pattern without symmetry: no two of its turned and mirrored forms agree anywhere near.
pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let level = |value: u32| u8::try_from(value % 256).unwrap();
        let disc = if (x / 3).pow(2) + (y / 2).pow(2) < 3000 {
            90
        } else {
            0
        };
        image::Rgb([level(x + disc), level(2 * y + x / 5), level(x * y / 97 + disc)])
    })
}

/// The picture as it is stored when `tag` is what turns it upright.
pub(crate) fn stored_as(picture: &RgbImage, tag: u8) -> RgbImage {
    // Turning right undoes turning left; everything else undoes itself.
    let undo = match tag {
        6 => 8,
        8 => 6,
        other => other,
    };
    let mut turned = DynamicImage::ImageRgb8(picture.clone());
    turned.apply_orientation(Orientation::from_exif(undo).unwrap());
    turned.into_rgb8()
}

/// EXIF data with one entry, the orientation, in either byte order.
pub(crate) fn exif(tag: u8, big_endian: bool) -> Vec<u8> {
    if big_endian {
        [
            b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
            &[tag][..],
            b"\0\0\0\0\0\0",
        ]
        .concat()
    } else {
        [
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0",
            &[tag][..],
            b"\0\0\0\0\0\0\0",
        ]
        .concat()
    }
}

/// A PNG file: header, the chunks given, the samples in stored blocks, the end.
pub(crate) fn png_file(
    size: (u32, u32),
    colours: u8,
    bits: u8,
    chunks: &[(&[u8; 4], &[u8])],
    samples: &[u8],
) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [
        &size.0.to_be_bytes()[..],
        &size.1.to_be_bytes(),
        &[bits, colours, 0, 0, 0],
    ]
    .concat();
    chunk(&mut file, *b"IHDR", &header);
    for (name, content) in chunks {
        chunk(&mut file, **name, content);
    }
    let rows = usize::try_from(size.1).unwrap();
    let per_row = samples.len() / rows.max(1);
    // Each row behind the number of its filter, which is none.
    let filtered: Vec<u8> = samples
        .chunks(per_row.max(1))
        .flat_map(|row| [&[0], row].concat())
        .collect();
    chunk(&mut file, *b"IDAT", &zlib(&filtered));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    file.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    let body = [&name[..], content].concat();
    file.extend(&body);
    file.extend(crc32fast::hash(&body).to_be_bytes());
}

/// RFC 1950 around stored blocks of RFC 1951.
fn zlib(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = content.len().div_ceil(0xffff).max(1);
    for block in 0..blocks {
        let part = &content[block * 0xffff..content.len().min((block + 1) * 0xffff)];
        let len = u16::try_from(part.len()).unwrap();
        out.push(u8::from(block + 1 == blocks));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(part);
    }
    let adler = content.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend((adler.1 << 16 | adler.0).to_be_bytes());
    out
}

/// An ordinary PNG file.
pub(crate) fn png(picture: &RgbImage) -> Vec<u8> {
    png_file(picture.dimensions(), RGB, 8, &[], picture.as_raw())
}

/// The same with an orientation.
pub(crate) fn png_turned(picture: &RgbImage, tag: u8) -> Vec<u8> {
    let exif = exif(tag, tag.is_multiple_of(2));
    png_file(
        picture.dimensions(),
        RGB,
        8,
        &[(b"eXIf", &exif)],
        picture.as_raw(),
    )
}

/// An ordinary JPEG file.
pub(crate) fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 90)
        .encode_image(picture)
        .unwrap();
    file
}

/// The same with an orientation.
pub(crate) fn jpeg_turned(picture: &RgbImage, tag: u8) -> Vec<u8> {
    let file = jpeg(picture);
    let content = [b"Exif\0\0", &exif(tag, tag.is_multiple_of(2))[..]].concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&file[..2], &[0xff, 0xe1], &length, &content, &file[2..]].concat()
}

/// The centre of a 288x288 picture.
pub(crate) fn centre(picture: &RgbImage) -> Vec<u8> {
    image::imageops::crop_imm(picture, 32, 32, 224, 224)
        .to_image()
        .into_raw()
}
