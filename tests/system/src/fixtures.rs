//! The committed records and reference vectors.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use crate::{HarnessError, repository};

/// Real survey records with their expected results.
pub const TEST_RECORDS: &str = "tests/fixtures/nhanes-test-records.json";
/// The five records of the demo.
pub const DEMO_RECORDS: &str = "tests/fixtures/demo-records.json";
/// The shipped model, as it is signed.
pub const PAYLOAD: &str = "models/shipped/cardio-lr/payload";
/// A dermoscopy image.
pub const IMAGE: &str = "tests/fixtures/images/ISIC_0028696.jpg";

/// A model that can be signed.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    /// Its id.
    pub id: &'static str,
    /// Its files, from the repository's root.
    pub folder: &'static str,
}

/// The shipped model of records.
pub const CARDIO_LR: Payload = Payload {
    id: "cardio-lr",
    folder: PAYLOAD,
};
/// A model of images whose patches take a fraction of a second each.
pub const DERM_TINY: Payload = Payload {
    id: "derm-tiny",
    folder: "models/shipped/stand-in/derm-tiny/payload",
};

/// A record with what the integer reference says about it.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// Name of a golden vector; empty for a survey record.
    #[serde(default)]
    pub name: String,
    /// The fields as a user enters them.
    pub record: BTreeMap<String, serde_json::Value>,
    /// The quantised inputs.
    pub inputs: Vec<i64>,
    /// The exact score.
    pub score: i64,
    /// Which table entry the score addresses.
    pub index: i64,
    /// That entry, in 4096ths.
    pub probability: i64,
}

#[derive(Deserialize)]
struct Records {
    records: Vec<Vector>,
}

#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vector>,
}

/// Reads a file of the repository.
///
/// # Errors
/// [`HarnessError::DeviceIo`].
pub fn read(path: &str) -> Result<Vec<u8>, HarnessError> {
    let path = repository().join(path);
    fs::read(&path).map_err(|source| HarnessError::DeviceIo { path, source })
}

fn parse<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, HarnessError> {
    serde_json::from_slice(&read(path)?).map_err(|source| HarnessError::BadJson {
        what: path.to_owned(),
        source,
    })
}

/// The survey records with their expected results.
///
/// # Errors
/// [`HarnessError`].
pub fn test_records() -> Result<Vec<Vector>, HarnessError> {
    parse::<Records>(TEST_RECORDS).map(|file| file.records)
}

/// The golden vectors of the shipped model; the first two are the healthy and the ill reference person.
///
/// # Errors
/// [`HarnessError`].
pub fn golden_vectors() -> Result<Vec<Vector>, HarnessError> {
    parse::<Golden>(&format!("{PAYLOAD}/golden.json")).map(|file| file.vectors)
}
