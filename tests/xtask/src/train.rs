//! `train`: the Python package under models/training, in an environment of exactly the locked versions.

use std::{
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

/// Trains cardio-lr from `data` in place; without, runs the whole pipeline on made-up people under `target/`.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn train(data: Option<&Path>) -> Result<(), TaskError> {
    let out = if data.is_some() {
        shipped()
    } else {
        target("training-smoke")?
    };
    train_into(&out, data)?;
    say(&format!("written: {}", out.display()));
    if data.is_some() {
        say("`git diff models/shipped` shows whether the payload is the one that ships.");
    }
    Ok(())
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
        // The command runs in the root of the repository; the user's path is relative to where they are.
        Some(data) => train
            .arg("--data")
            .arg(std::path::absolute(data).unwrap_or_else(|_| data.to_owned())),
        None => train.arg("--smoke"),
    };
    run(&mut train)
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
