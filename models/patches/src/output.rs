//! The files: integers as numpy maps them into memory, and beside them what they are of.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    PatchesError, Reader,
    files::{io, name},
    reader::{Integers, hex},
};

/// Format number of the list beside the integers.
pub const INTEGERS_FORMAT: u32 = 1;
/// Pictures read at once: enough for all cores, few enough for memory and for progress that moves.
const AT_ONCE: usize = 64;

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// Integers, int8, `[pictures, ..]`.
    pub integers: PathBuf,
    /// Names, sizes, hashes.
    pub list: PathBuf,
}

/// Writes the integers of `pictures` to `out` and the list beside it, calling `progress` with how many are done.
///
/// `out` is a .npy file (NEP 1, version 1.0) of type int8; the list is a JSON file of the same stem.
///
/// # Errors
/// [`PatchesError`] of the first picture that cannot be used; then neither file is written.
pub fn write(
    reader: &Reader,
    pictures: &[PathBuf],
    out: &Path,
    progress: &mut dyn FnMut(usize),
) -> Result<Written, PatchesError> {
    let list = out.with_extension("json");
    let mut integers = Unfinished::new(out)?;
    let mut shape = reader.shape();
    shape.insert(0, pictures.len());
    integers.write(&header(&shape))?;
    let mut images = Vec::with_capacity(pictures.len());
    for some in pictures.chunks(AT_ONCE) {
        progress(images.len());
        let read: Result<Vec<Integers>, PatchesError> =
            some.par_iter().map(|path| reader.integers(path)).collect();
        for (path, picture) in some.iter().zip(read?) {
            let bytes: Vec<u8> = picture.values.iter().map(|value| value.cast_unsigned()).collect();
            integers.write(&bytes)?;
            images.push(json!({"name": name(path), "width": picture.width, "height": picture.height}));
        }
    }
    progress(images.len());
    let sha256 = integers.sha256();
    let mut described = Unfinished::new(&list)?;
    described.write(document(reader, &shape, &sha256, &images).as_bytes())?;
    // The list goes last: where it is new, the integers are.
    integers.finish()?;
    described.finish()?;
    Ok(Written {
        integers: out.to_owned(),
        list,
    })
}

/// The list, one picture per line.
fn document(reader: &Reader, shape: &[usize], integers_sha256: &str, images: &[Value]) -> String {
    let lines: Vec<String> = images.iter().map(|image| format!("    {image}")).collect();
    format!(
        "{{\n  \"format\": {INTEGERS_FORMAT},\n  \"contract_sha256\": \"{}\",\n  \"integers_sha256\": \
         \"{integers_sha256}\",\n  \"shape\": {},\n  \"images\": [\n{}\n  ]\n}}\n",
        reader.contract_sha256(),
        json!(shape),
        lines.join(",\n")
    )
}

/// Magic, version, length and description, padded to 64 bytes.
fn header(shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let text = format!(
        "{{'descr': '|i1', 'fortran_order': False, 'shape': ({}), }}",
        sizes.join(", ")
    );
    // Ten bytes before the text and a line break behind it.
    let padded = (text.len() + 11).next_multiple_of(64) - 11;
    let length = u16::try_from(padded + 1).expect("a handful of sizes");
    [
        b"\x93NUMPY\x01\x00",
        &length.to_le_bytes()[..],
        format!("{text:padded$}\n").as_bytes(),
    ]
    .concat()
}

/// A file under another name until it is complete; removed when it never is.
struct Unfinished {
    path: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
}

impl Unfinished {
    fn new(path: &Path) -> Result<Self, PatchesError> {
        let beside = path.with_added_extension("new");
        let file = File::create(&beside).map_err(io(&beside))?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file: BufWriter::new(file),
            hash: Sha256::new(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PatchesError> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(io(&self.beside))
    }

    fn sha256(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    fn finish(mut self) -> Result<(), PatchesError> {
        self.file.flush().map_err(io(&self.beside))?;
        self.file.get_ref().sync_all().map_err(io(&self.beside))?;
        fs::rename(&self.beside, &self.path).map_err(io(&self.path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing under this name any more.
        let _ = fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_numpys_and_fills_whole_blocks() {
        let header = header(&[10_015, 49, 3, 32, 32]);
        assert_eq!(header.len() % 64, 0);
        assert_eq!(&header[..8], b"\x93NUMPY\x01\0");
        let text = String::from_utf8(header[10..].to_vec()).unwrap();
        assert_eq!(
            usize::from(u16::from_le_bytes([header[8], header[9]])),
            text.len()
        );
        assert_eq!(
            text.trim_end(),
            "{'descr': '|i1', 'fortran_order': False, 'shape': (10015, 49, 3, 32, 32), }"
        );
        assert!(text.ends_with(" \n"));
    }

    #[test]
    fn what_is_dropped_before_its_end_leaves_no_file() {
        let home = tempfile::tempdir().unwrap();
        let mut file = Unfinished::new(&home.path().join("a.npy")).unwrap();
        file.write(b"half").unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        drop(file);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
