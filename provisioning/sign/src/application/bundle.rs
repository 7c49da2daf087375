//! Checking a payload and signing it.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use obscura_bundle::{
    Bundle, MAX_BUNDLE_BYTES, Meta, Target, TrustedRoot, describe,
    manifest::{MAX_FILES, SCHEME_TFHE_1},
    verify,
};
use obscura_protocol::{MIN_VERSION, identity::Identity};
use obscura_sealed::{Password, write_public};

use super::check;
use crate::{
    adapters::{files, keys},
    arguments::BundleArguments,
    error::SignError,
};

/// Signs a payload that passes every check, and writes the bundle once it verifies.
pub(crate) fn sign(arguments: &BundleArguments) -> Result<String, SignError> {
    let root = files::trust_root(&arguments.root)?;
    let payload = read_payload(&arguments.payload)?;
    let checked = check::check(&payload, &arguments.model_id)?;
    let meta = Meta {
        model_id: arguments.model_id.clone(),
        version: arguments.version.clone(),
        security_counter: arguments.counter,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: MIN_VERSION,
    };
    let target = Target {
        hardware: arguments.hardware.clone(),
        max_protocol: arguments.max_protocol,
    };
    let unsigned = Bundle::build_for(&target, &meta, payload).map_err(SignError::Build)?;
    let signed = unsigned.sign(&load_keys(arguments, &root)?);
    let bundle = verify(&signed, &root).map_err(SignError::Bundle)?;
    files::written(&arguments.out, write_public(&arguments.out, bundle.as_bytes()))?;
    let contract = bundle.contract().map_err(SignError::Bundle)?;
    let mut report = describe(&bundle, &contract, &root);
    // Writing to a String cannot fail.
    let _ = writeln!(report, "title          {}", checked.title);
    let _ = writeln!(report, "security       {:.1} bits", checked.security_bits);
    let _ = writeln!(report, "table error    {} entries", checked.table_error_entries);
    let _ = writeln!(report, "request        {} bytes", checked.request_bytes);
    let _ = writeln!(report, "answer         {} bytes", checked.answer_bytes);
    let _ = writeln!(report, "key object     {} bytes", checked.evaluation_key_bytes);
    let _ = writeln!(
        report,
        "golden vectors {}, all as expected",
        checked.golden_vectors
    );
    Ok(report)
}

fn load_keys(arguments: &BundleArguments, root: &TrustedRoot) -> Result<Vec<Identity>, SignError> {
    let password = Password::read(&arguments.password.source(false), "Password of the signing key")?;
    let load = |path: &std::path::PathBuf| {
        let key = keys::load(path, &password)?;
        if root.document().find(&key.public().fingerprint()).is_none() {
            return Err(SignError::KeyNotInRoot {
                path: path.clone(),
                key: key.public().fingerprint(),
            });
        }
        Ok(key)
    };
    arguments.key.iter().map(load).collect()
}

fn read_payload(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, SignError> {
    let failed = |source| SignError::ConfigRead {
        path: folder.to_owned(),
        source,
    };
    let mut payload = BTreeMap::new();
    let mut left = MAX_BUNDLE_BYTES;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if payload.len() == MAX_FILES {
            return Err(SignError::PayloadUnexpected { name });
        }
        let bytes = files::read(&entry.path(), left)?;
        left = left.saturating_sub(bytes.len());
        payload.insert(name, bytes);
    }
    Ok(payload)
}
