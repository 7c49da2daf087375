//! Drafting, signing and accepting a change of root.

use std::{fmt::Write, path::Path};

use obscura_bundle::{MAX_CHANGE_BYTES, Root, RootChange, RootKey};
use obscura_protocol::identity::{Digest, PublicKey};
use obscura_sealed::{Password, create_public, write_public};

use super::root;
use crate::{
    adapters::{files, keys},
    arguments::{NextArguments, SignArguments},
    error::SignError,
};

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// Drafts the root that follows.
pub(crate) fn next(arguments: &NextArguments) -> Result<String, SignError> {
    let former = files::read_root(&arguments.root)?;
    let next = draft(&former, arguments)?;
    let change = RootChange::unsigned(&next);
    files::written(&arguments.out, create_public(&arguments.out, &change.to_bytes()))?;
    Ok(describe(&change, &next))
}

fn draft(former: &Root, arguments: &NextArguments) -> Result<Root, SignError> {
    let out: Vec<PublicKey> = [&arguments.drop[..], &arguments.revoke].concat();
    let mut keys: Vec<RootKey> = former.keys().to_vec();
    keys.extend(arguments.add.iter().copied().map(RootKey::from));
    // What was revoked may have been dropped before; what is dropped must be there.
    if let Some(&key) = arguments.drop.iter().find(|key| !lists(&keys, key)) {
        return Err(SignError::ConfigNoSuchKey { key });
    }
    keys.retain(|listed| !out.contains(&listed.key));
    for listed in &mut keys {
        listed.max_counter = arguments.max_counter.unwrap_or(listed.max_counter);
    }
    for &(key, max_counter) in &arguments.limit {
        let mut same = keys.iter_mut().filter(|listed| listed.key == key);
        let listed = same.next().ok_or(SignError::ConfigNoSuchKey { key })?;
        listed.max_counter = max_counter;
    }
    let revoked = arguments.revoke.iter().map(PublicKey::fingerprint);
    let revoked: Vec<Digest> = former.revoked().iter().copied().chain(revoked).collect();
    let version = former
        .version()
        .checked_add(1)
        .ok_or(SignError::ConfigLastVersion)?;
    let threshold = arguments.threshold.unwrap_or_else(|| former.threshold());
    Root::with_revoked(version, threshold, keys, revoked).map_err(SignError::ConfigRoot)
}

fn lists(keys: &[RootKey], key: &PublicKey) -> bool {
    keys.iter().any(|listed| listed.key == *key)
}

/// Adds signatures to a change, or writes what a key elsewhere must sign.
pub(crate) fn sign(arguments: &SignArguments) -> Result<String, SignError> {
    let path = &arguments.change;
    let mut change = files::read_change(path)?;
    let refused = |source| SignError::Change {
        path: path.clone(),
        source,
    };
    if let Some(out) = &arguments.export {
        files::written(out, create_public(out, &change.message()))?;
    }
    if let (Some(file), Some(key)) = (&arguments.import, &arguments.public_key) {
        change.import(key, &read_signature(file)?).map_err(refused)?;
    }
    if !arguments.key.is_empty() {
        let password = Password::read(&arguments.password.source(false), "Password of the signing key")?;
        for key in &arguments.key {
            change.sign(&keys::load(key, &password)?).map_err(refused)?;
        }
    }
    if arguments.import.is_some() || !arguments.key.is_empty() {
        files::written(path, write_public(path, &change.to_bytes()))?;
    }
    show(path)
}

fn read_signature(path: &Path) -> Result<[u8; SIGNATURE_BYTES], SignError> {
    let bytes = files::read(path, MAX_CHANGE_BYTES)?;
    bytes
        .as_slice()
        .try_into()
        .map_err(|_length| SignError::ConfigSignature {
            path: path.to_owned(),
            got_bytes: bytes.len(),
        })
}

/// Writes the root a change makes, once the root it follows vouches for it.
pub(crate) fn accept(path: &Path, root: &Path, out: &Path) -> Result<String, SignError> {
    let former = files::trust_root(root)?;
    let change = files::read_change(path)?;
    let next = former.followed_by(&change).map_err(|source| SignError::Change {
        path: path.to_owned(),
        source,
    })?;
    files::written(out, create_public(out, &next.document().to_bytes()))?;
    Ok(root::describe(next.document()))
}

/// Shows a change.
pub(super) fn show(path: &Path) -> Result<String, SignError> {
    let change = files::read_change(path)?;
    let root = change.root().map_err(|source| SignError::Root {
        path: path.to_owned(),
        source,
    })?;
    Ok(describe(&change, &root))
}

fn describe(change: &RootChange, root: &Root) -> String {
    let mut out = root::describe(root);
    // Writing to a String cannot fail.
    for signer in change.claimed_signers() {
        let note = if root.find(&signer).is_some() {
            "a key of this root"
        } else {
            "no key of this root"
        };
        let _ = writeln!(out, "signed by      {signer} ({note})");
    }
    if change.claimed_signers().next().is_none() {
        out.push_str("signed by      nobody yet\n");
    }
    out
}
