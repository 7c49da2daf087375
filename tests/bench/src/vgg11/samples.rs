//! Ciphertexts between layers, written by the server and decrypted by the client to measure noise.
//!
//! A file holds one record after the other, each of little-endian 32-bit words: layer, element, ciphertext.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::Mutex,
};

use obscura_circuit::Circuit;

use crate::{BenchError, standin::read};

/// Elements of a layer whose ciphertexts are written, at most.
const PER_LAYER: usize = 256;

/// Writes samples; shared by all threads.
pub(super) struct Recorder {
    /// Per layer, every how many elements one is taken.
    strides: Vec<usize>,
    file: Mutex<BufWriter<File>>,
}

impl Recorder {
    /// Records to a new file.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn new(path: &Path, circuit: &Circuit) -> Result<Self, BenchError> {
        let file = File::create(path).map_err(|source| BenchError::Io {
            path: path.to_owned(),
            source,
        })?;
        let layers = 0..circuit.layers().len();
        Ok(Self {
            strides: layers
                .map(|layer| stride(circuit.reach(layer + 1).len()))
                .collect(),
            file: Mutex::new(BufWriter::new(file)),
        })
    }

    /// Takes the ciphertext of an element, or not.
    pub(super) fn offer(&self, layer: usize, element: usize, ciphertext: &[u32]) {
        let wanted = self
            .strides
            .get(layer)
            .is_some_and(|&stride| element.is_multiple_of(stride));
        let place = [layer, element].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let Ok(mut file) = self.file.lock() else { return };
        if wanted {
            for word in place.iter().chain(ciphertext) {
                // A full disk shows as a short file, which the reader refuses.
                let _ = file.write_all(&word.to_le_bytes());
            }
        }
    }
}

/// An odd number, so that samples do not all come from one column of an image.
fn stride(elements: usize) -> usize {
    elements.div_ceil(PER_LAYER) | 1
}

/// One recorded ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) layer: usize,
    pub(super) element: usize,
    pub(super) ciphertext: Vec<u32>,
}

/// Reads ciphertexts of `size` words.
///
/// # Errors
/// [`BenchError::Io`], [`BenchError::BadFile`].
pub(super) fn samples(path: &Path, size: usize) -> Result<Vec<Sample>, BenchError> {
    let bytes = read(path)?;
    let (words, odd) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    if !odd.is_empty() || !words.len().is_multiple_of(size + 2) {
        return Err(BenchError::BadFile {
            path: path.to_owned(),
            want: "a file of whole samples",
        });
    }
    let sample = |words: &[u32]| Sample {
        layer: words[0] as usize,
        element: words[1] as usize,
        ciphertext: words[2..].to_vec(),
    };
    Ok(words.chunks_exact(size + 2).map(sample).collect())
}
