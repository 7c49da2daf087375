//! Making and showing root documents.

use std::{
    ffi::OsString,
    fmt::Write,
    path::{Path, PathBuf},
};

use obscura_bundle::{Root, RootKey};
use obscura_protocol::identity::Identity;
use obscura_sealed::{Password, create_public};

use crate::{
    adapters::{files, keys},
    arguments::RootArguments,
    error::SignError,
};

/// Makes keys and the root that lists them.
pub(crate) fn new(arguments: &RootArguments) -> Result<String, SignError> {
    let paths: Vec<PathBuf> = (1..=arguments.keys)
        .map(|number| numbered(&arguments.key, number, arguments.keys))
        .collect();
    for path in paths.iter().chain([&arguments.out]) {
        files::must_be_free(path)?;
    }
    let made: Vec<Identity> = paths.iter().map(|_| keys::generate()).collect::<Result<_, _>>()?;
    let public = made.iter().map(|key| RootKey {
        key: key.public(),
        max_counter: arguments.max_counter,
    });
    let root = Root::new(1, arguments.threshold, public.collect()).map_err(SignError::ConfigRoot)?;
    let password = Password::read(
        &arguments.password.source(true),
        "New password of the signing key",
    )?;
    for (path, key) in paths.iter().zip(&made) {
        keys::store(path, key, &password)?;
    }
    // The document comes last: where it is, its keys are.
    files::written(&arguments.out, create_public(&arguments.out, &root.to_bytes()))?;
    let mut report = describe(&root);
    for path in &paths {
        let _ = writeln!(report, "sealed key     {}", path.display());
    }
    Ok(report)
}

/// Shows a root, or a change of root and who signed it so far.
pub(crate) fn show(path: &Path) -> Result<String, SignError> {
    if files::is_change(path)? {
        super::change::show(path)
    } else {
        Ok(describe(&files::read_root(path)?))
    }
}

/// What a root says, for people.
pub(super) fn describe(root: &Root) -> String {
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(out, "fingerprint    {}", root.fingerprint());
    let _ = writeln!(out, "root version   {}", root.version());
    let _ = writeln!(
        out,
        "threshold      {} of {}",
        root.threshold(),
        root.keys().len()
    );
    for RootKey { key, max_counter } in root.keys() {
        let _ = writeln!(out, "public key     {key} up to counter {max_counter}");
    }
    for key in root.revoked() {
        let _ = writeln!(out, "revoked        {key} (fingerprint)");
    }
    out
}

/// `root.key`, or `root-2.key` when there are several.
fn numbered(path: &Path, number: u8, of: u8) -> PathBuf {
    if of == 1 {
        return path.to_owned();
    }
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_keys_get_numbers_before_the_extension() {
        assert_eq!(numbered(Path::new("a/root.key"), 1, 1), Path::new("a/root.key"));
        assert_eq!(numbered(Path::new("a/root.key"), 2, 3), Path::new("a/root-2.key"));
        assert_eq!(numbered(Path::new("root"), 2, 3), Path::new("root-2"));
    }
}
