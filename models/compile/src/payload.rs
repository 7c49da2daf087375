//! The exporter's folder in, a complete payload out.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use obscura_bundle::{Contract, Golden, ImageContract, file_name};
use obscura_circuit::Circuit;
use serde_json::Value;

use crate::{CompileError, Network};

/// What the exporter wrote, checked: parts that fit each other and golden vectors that come out.
#[derive(Debug)]
pub struct Exported {
    /// The circuit.
    pub network: Network,
    contract: Contract,
    golden: Vec<u8>,
    /// Files that are passed on as they are, by name.
    others: BTreeMap<&'static str, Vec<u8>>,
}

impl Exported {
    /// Reads circuit.json, weights.safetensors, contract.json, golden.json and card.md of a folder.
    ///
    /// # Errors
    /// [`CompileError`], which names the file or the golden vector.
    pub fn read(folder: &Path) -> Result<Self, CompileError> {
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| CompileError::Io { path, source })
        };
        let network = Network::new(file(file_name::CIRCUIT)?, file(file_name::WEIGHTS)?)?;
        let contract_json = file(file_name::CONTRACT)?;
        let contract = Contract::from_json(&contract_json)?;
        let golden = file(file_name::GOLDEN)?;
        check_inputs(&contract, &network.circuit)?;
        if let Some(image) = contract.image() {
            check_output(image, &network.circuit)?;
            check_golden(image, &golden, &network.circuit)?;
        }
        let card = file(file_name::CARD)?;
        Ok(Self {
            network,
            contract,
            golden,
            others: [(file_name::CONTRACT, contract_json), (file_name::CARD, card)].into(),
        })
    }

    /// The contract's part on images.
    pub fn image(&self) -> Option<&ImageContract> {
        self.contract.image()
    }

    /// The model's id.
    pub fn model_id(&self) -> &str {
        self.contract.model_id()
    }

    /// The files of the payload with the circuit `network`, which is the exporter's or one with coarser tables, and these
    /// parameters. Golden patches get the outputs of that circuit.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn payload(
        &self,
        network: &Network,
        parameters: &Value,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, CompileError> {
        let mut files = self.others.clone();
        files.insert(file_name::CIRCUIT, network.circuit_json.clone());
        files.insert(file_name::WEIGHTS, network.weights.clone());
        let mut text = serde_json::to_string_pretty(parameters).map_err(CompileError::Json)?;
        text.push('\n');
        files.insert(file_name::PARAMETERS, text.into_bytes());
        let same =
            network.circuit_json == self.network.circuit_json && network.weights == self.network.weights;
        let golden = match self.image().filter(|_| !same) {
            None => self.golden.clone(),
            Some(image) => {
                let golden = outputs_of(&self.golden, image, &network.circuit)?;
                check_golden(image, &golden, &network.circuit)?;
                golden
            }
        };
        files.insert(file_name::GOLDEN, golden);
        Ok(files)
    }
}

/// Writes files into a folder, each beside its place and then renamed, so that no half of one is left behind.
///
/// # Errors
/// [`CompileError::Io`].
pub fn write<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), CompileError> {
    let io = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |source| CompileError::Io { path, source }
    };
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    for (name, bytes) in files {
        let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
        std::fs::write(&beside, bytes).map_err(io(&beside))?;
        std::fs::rename(&beside, &path).map_err(io(&path))?;
    }
    Ok(())
}

/// Every record or image the contract accepts must be one the circuit takes.
fn check_inputs(contract: &Contract, circuit: &Circuit) -> Result<(), CompileError> {
    let bounds = contract.input_bounds();
    let mut pairs = bounds.iter().zip(circuit.input_ranges());
    let within = pairs.all(|(&(low, high), range)| range.contains(low) && range.contains(high));
    held(
        within && bounds.len() == circuit.input_len(),
        "the contract's inputs are those of the circuit",
    )
}

fn check_output(contract: &ImageContract, circuit: &Circuit) -> Result<(), CompileError> {
    let mut outputs = circuit.outputs().iter();
    let output = outputs.find(|output| &*output.name == contract.output());
    let elements = output.map_or(0, |output| circuit.shape(output.reads).elements());
    held(
        elements == contract.output_len(),
        "the circuit has the output the contract names, with as many numbers as it reads",
    )
}

fn check_golden(contract: &ImageContract, golden: &[u8], circuit: &Circuit) -> Result<(), CompileError> {
    let Golden::Images { patches, scans } = Golden::from_json(golden)? else {
        return held(false, "golden.json holds patches where the contract reads images");
    };
    held(
        !(contract.has_head() && scans.is_empty()),
        "golden.json has a whole image where the contract has a clear head",
    )?;
    for patch in &patches {
        patch.check(&output_of(contract, circuit, &patch.inputs)?)?;
    }
    let mut scans = scans.iter();
    Ok(scans.try_for_each(|scan| scan.check(contract))?)
}

fn output_of(contract: &ImageContract, circuit: &Circuit, inputs: &[i64]) -> Result<Vec<i64>, CompileError> {
    let mut outputs = circuit.evaluate(inputs)?.into_iter();
    let output = outputs.find(|output| output.name == contract.output());
    Ok(output.map(|output| output.values).unwrap_or_default())
}

/// The same golden patches with the outputs of another circuit.
fn outputs_of(golden: &[u8], contract: &ImageContract, circuit: &Circuit) -> Result<Vec<u8>, CompileError> {
    let mut json: Value = serde_json::from_slice(golden).map_err(CompileError::Json)?;
    for vector in json["vectors"].as_array_mut().into_iter().flatten() {
        let inputs =
            serde_json::from_value::<Vec<i64>>(vector["inputs"].clone()).map_err(CompileError::Json)?;
        vector["outputs"] = output_of(contract, circuit, &inputs)?.into();
    }
    serde_json::to_vec(&json).map_err(CompileError::Json)
}

fn held(holds: bool, rule: &'static str) -> Result<(), CompileError> {
    if holds {
        Ok(())
    } else {
        Err(CompileError::Contradiction { rule })
    }
}
