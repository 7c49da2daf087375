//! The stand-in networks and the patches they are measured on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::BenchError;

/// What patches are in, but for a folder of them.
const PATCHES_FILE: &str = "patches.safetensors";

/// A stand-in network, its parameters and its plan.
pub(crate) struct StandIn {
    name: String,
    pub(crate) circuit: Circuit,
    pub(crate) parameters: ParameterSet,
    pub(crate) plan: Plan,
}

impl StandIn {
    /// The network `name` of `models/shipped/stand-in`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(crate) fn load(name: &str) -> Result<Self, BenchError> {
        let folder = payload(name);
        let circuit = Circuit::from_parts(
            &read(&folder.join("circuit.json"))?,
            &read(&folder.join("weights.safetensors"))?,
        )?;
        let parameters = Self::parameters(name)?;
        let plan = Plan::new(&circuit, &parameters)?;
        Ok(Self {
            name: name.to_owned(),
            circuit,
            parameters,
            plan,
        })
    }

    /// The parameters chosen for it.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(crate) fn parameters(name: &str) -> Result<ParameterSet, BenchError> {
        let own = payload(name).join("parameters.json");
        Ok(ParameterSet::from_json(&read(&own)?)?)
    }

    /// The parameters kernels are compared under: 200 blocks of 4, whatever a network needs.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(crate) fn general() -> Result<ParameterSet, BenchError> {
        let path = repository().join("models/fhe-core/parameters/image-1024.json");
        Ok(ParameterSet::from_json(&read(&path)?)?)
    }

    /// The same circuit with the result of every layer as an output, in the order of the layers.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(crate) fn all_outputs(&self) -> Result<Circuit, BenchError> {
        let folder = payload(&self.name);
        let path = folder.join("circuit.json");
        let mut json: Value = serde_json::from_slice(&read(&path)?).unwrap_or_default();
        let Some(nodes) = json["nodes"].as_array_mut() else {
            return Err(BenchError::BadFile {
                path,
                want: "a circuit",
            });
        };
        nodes.retain(|node| node["op"] != "output");
        for name in self.circuit.layer_names() {
            nodes.push(json!({"op": "output", "name": format!("{name} seen"), "input": name}));
        }
        let weights = read(&folder.join("weights.safetensors"))?;
        Ok(Circuit::from_parts(json.to_string().as_bytes(), &weights)?)
    }
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The committed patches.
pub(crate) fn fixtures() -> PathBuf {
    repository().join("tests/fixtures/patches").join(PATCHES_FILE)
}

fn payload(name: &str) -> PathBuf {
    repository()
        .join("models/shipped/stand-in")
        .join(name)
        .join("payload")
}

/// Patches of the file, or of the folder's `patches.safetensors`: tensor `patches`, I8 `[n, ..]`, each
/// flattened to `len` integers.
///
/// # Errors
/// [`BenchError::Io`], [`BenchError::BadFile`].
pub(crate) fn patches(path: &Path, len: usize) -> Result<Vec<Vec<i64>>, BenchError> {
    let path = if path.is_dir() {
        path.join(PATCHES_FILE)
    } else {
        path.to_owned()
    };
    let bytes = read(&path)?;
    let bad = || BenchError::BadFile {
        path: path.clone(),
        want: "a safetensors file of patches (I8) of the network's input length",
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|_source| bad())?;
    let tensor = file.tensor("patches").map_err(|_source| bad())?;
    let own: usize = tensor.shape().iter().skip(1).product();
    if tensor.dtype() != Dtype::I8 || own != len || len == 0 {
        return Err(bad());
    }
    let integer = |byte: &u8| i64::from(byte.cast_signed());
    let patches = tensor.data().chunks_exact(len);
    Ok(patches.map(|patch| patch.iter().map(integer).collect()).collect())
}

/// A file's bytes.
///
/// # Errors
/// [`BenchError::Io`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    fs::read(path).map_err(|source| BenchError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file.
///
/// # Errors
/// [`BenchError::Io`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
    fs::write(path, bytes).map_err(|source| BenchError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_of_the_small_network_can_be_an_output() {
        let network = StandIn::load("derm-small").unwrap();
        let all = network.all_outputs().unwrap();
        let reads: Vec<usize> = all.outputs().iter().map(|output| output.reads).collect();
        assert_eq!(reads, (1..=network.circuit.layers().len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_committed_patches_are_of_32_by_32_in_three_colours() {
        let patches = patches(&fixtures(), 3 * 32 * 32).unwrap();
        assert!(patches.len() >= 8);
        assert!(patches.iter().flatten().any(|&x| x < 0), "integers are signed");
        assert!(super::patches(&fixtures(), 3071).is_err());
    }
}
