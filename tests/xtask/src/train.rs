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
    run::{cargo, command, run, target},
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

/// Trains derm-vgg11 from `data`: the pictures become integers by the device's own code, once; then all stages, each from
/// where the last run stopped. Checkpoints lie in `work`, what `obscura-compile` reads beside them in `out/export`; without `data`, made-up
/// images, every stage in a minute.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn derm_vgg11(data: Option<&Path>, work: Option<&Path>) -> Result<(), TaskError> {
    let Some(data) = data else {
        let work = target("derm-smoke")?;
        let _ = fs::remove_dir_all(&work);
        let out = work.join("out");
        run(derm(&["train", "--smoke", "--work"])?
            .arg(&work)
            .arg("--out")
            .arg(&out))?;
        say(&format!("written: {}", out.display()));
        return Ok(());
    };
    let work = match work {
        Some(work) => absolute(work),
        None => target("derm-vgg11")?,
    };
    fs::create_dir_all(&work).map_err(|source| TaskError::Io {
        path: work.clone(),
        source,
    })?;
    let data = absolute(data);
    // Before hours of training: on this very list, no lesion is in two parts.
    let mut split = with_packages(&tools::deep_learning_python()?);
    split.args([
        "-m",
        "unittest",
        "discover",
        "--quiet",
        "-s",
        "models/training/tests",
    ]);
    run(split.args(["-p", "test_derm_data.py"]).env("OBSCURA_DATA", &data))?;
    let integers = derm_integers(&data, &work)?;
    let out = work.join("out");
    run(derm(&["train", "--data"])?
        .arg(&data)
        .arg("--integers")
        .arg(integers)
        .arg("--work")
        .arg(&work)
        .arg("--out")
        .arg(&out))?;
    say(&format!("written: {}", out.display()));
    Ok(())
}

/// What `obscura-patches` makes of all images, in `work`; made once for one contract.
fn derm_integers(data: &Path, work: &Path) -> Result<PathBuf, TaskError> {
    let (contract, integers) = (work.join("reading.json"), work.join("whole.npy"));
    let before = fs::read(&contract).ok();
    run(derm(&["contract", "--quiet", "--out"])?.arg(&contract))?;
    let after = fs::read(&contract).ok();
    // The list is written last: where it is, the integers are whole.
    let list = integers.with_extension("json");
    if before == after && list.is_file() {
        return Ok(integers);
    }
    let _ = fs::remove_file(&list);
    let program = [
        "run",
        "--locked",
        "--quiet",
        "-p",
        "obscura-patches",
        "--",
        "--whole",
    ];
    run(cargo(&program)
        .arg("--contract")
        .arg(&contract)
        .arg("--out")
        .arg(&integers)
        .arg(data.join("ham10000/images")))?;
    Ok(integers)
}

fn derm(arguments: &[&str]) -> Result<Command, TaskError> {
    let mut python = with_packages(&tools::deep_learning_python()?);
    python.args(["-m", "derm"]).args(arguments);
    Ok(python)
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
    let mut python = with_packages(&tools::training_python()?);
    python.args(arguments);
    Ok(python)
}

/// A Python that finds the packages of models/training.
fn with_packages(program: &Path) -> Command {
    let mut python = command(&program.to_string_lossy());
    python
        .env("PYTHONPATH", "models/training")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    python
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
