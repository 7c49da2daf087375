//! `train`: the Python packages under models/training, in an environment of exactly the locked versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use obscura_system_tests::repository;

use crate::{
    error::TaskError,
    run::{command, run, target},
    tools,
    ui::say,
};

/// What `derm-standin` writes.
const STANDIN_FOLDERS: [&str; 7] = [
    "models/shipped/stand-in/derm-tiny",
    "models/shipped/stand-in/derm-tiny/payload",
    "models/shipped/stand-in/derm-small",
    "models/shipped/stand-in/derm-small/payload",
    "models/shipped/stand-in/derm-vgg11",
    "models/shipped/stand-in/derm-vgg11/payload",
    "tests/fixtures/patches",
];

/// Trains cardio-lr from `data` in place, and says whether the payload is the one that was there; without
/// `data`, runs the whole pipeline on made-up people under `target/`.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn train(data: Option<&Path>) -> Result<(), TaskError> {
    if data.is_none() {
        let out = target("training-smoke")?;
        train_into(&out, None)?;
        say(&format!("written: {}", out.display()));
        return Ok(());
    }
    let payload = shipped().join("payload");
    let before = files(&payload)?;
    train_into(&shipped(), data)?;
    let after = files(&payload)?;
    say(&format!("written: {}", shipped().display()));
    let changed = differences(&before, &after);
    if changed.is_empty() {
        say("The payload has the same bytes as before.");
    } else {
        say(&format!(
            "The payload is ANOTHER one than before: {}",
            changed.join(", ")
        ));
    }
    Ok(())
}

/// Makes the dermoscopy stand-ins from `data` in place, then the committed patches and their golden logits, and
/// says which files changed; without `data`, runs the whole pipeline on made-up images under `target/`.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn derm_standin(data: Option<&Path>) -> Result<(), TaskError> {
    let Some(data) = data else {
        let out = target("standin-smoke")?;
        run(training(&["-m", "derm_standin", "train", "--smoke", "--out"])?.arg(&out))?;
        say(&format!("written: {}", out.display()));
        return Ok(());
    };
    let data = absolute(data);
    let folders = STANDIN_FOLDERS.map(|folder| repository().join(folder));
    let before = all_files(&folders)?;
    for verb in ["train", "fixtures"] {
        run(training(&["-m", "derm_standin", verb, "--data"])?.arg(&data))?;
    }
    let changed = differences(&before, &all_files(&folders)?);
    if changed.is_empty() {
        say("Every file has the same bytes as before.");
    } else {
        say(&format!("CHANGED: {}", changed.join(", ")));
    }
    Ok(())
}

/// The files of several folders, by path; a folder that is not there has none.
fn all_files(folders: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>, TaskError> {
    let mut found = BTreeMap::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let in_folder = |(name, bytes)| (folder.join(name).display().to_string(), bytes);
        found.extend(files(folder)?.into_iter().map(in_folder));
    }
    Ok(found)
}

/// The files of a folder by name, without those of folders in it.
///
/// # Errors
/// [`TaskError::Io`].
pub(crate) fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, TaskError> {
    let io = |source| TaskError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_dir() {
            continue;
        }
        found.insert(
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path()).map_err(io)?,
        );
    }
    Ok(found)
}

/// Names of files that only one side has, or that differ.
pub(crate) fn differences(one: &BTreeMap<String, Vec<u8>>, two: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != two.get(*name))
        .cloned()
        .collect()
}

/// The folder of the model that ships.
pub(crate) fn shipped() -> PathBuf {
    repository().join("models/shipped/cardio-lr")
}

/// Trains into `out`.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn train_into(out: &Path, data: Option<&Path>) -> Result<(), TaskError> {
    let mut train = training(&["-m", "cardio_lr", "train", "--out"])?;
    train.arg(out);
    match data {
        Some(data) => train.arg("--data").arg(absolute(data)),
        None => train.arg("--smoke"),
    };
    run(&mut train)
}

/// A command runs in the root of the repository; the user's path is relative to where they are.
fn absolute(data: &Path) -> PathBuf {
    std::path::absolute(data).unwrap_or_else(|_| data.to_owned())
}

/// The unit tests of the training and a short run of all of it.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn test() -> Result<(), TaskError> {
    run(&mut training(&[
        "-m",
        "unittest",
        "discover",
        "--quiet",
        "-s",
        "models/training/tests",
    ])?)?;
    train(None)
}

fn training(arguments: &[&str]) -> Result<Command, TaskError> {
    let mut python = command(&tools::training_python()?.to_string_lossy());
    python
        .args(arguments)
        .env("PYTHONPATH", "models/training")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_differs_and_what_only_one_side_has() {
        let side =
            |files: &[(&str, &[u8])]| files.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())).collect();
        let one = side(&[("same", b"1"), ("other", b"1"), ("left", b"1")]);
        let two = side(&[("same", b"1"), ("other", b"2"), ("right", b"1")]);
        assert_eq!(differences(&one, &two), ["left", "other", "right"]);
    }
}
