//! `release-check`: what is too long for the gate.

use std::path::Path;

use crate::{
    error::TaskError,
    run::{cargo, read, run, target},
    train,
    ui::{Steps, say},
};

/// Runs the long checks; with `data`, also that the shipped payload trains to the same bytes.
///
/// # Errors
/// [`TaskError`] of the first check that fails.
pub(crate) fn release_check(data: Option<&Path>) -> Result<(), TaskError> {
    let mut steps = Steps::new(4);
    steps.next(
        "each package alone",
        "clippy with the features that package itself asks for",
    );
    for package in packages()? {
        say(&format!("      {package}"));
        run(&mut cargo(&[
            "clippy",
            "--locked",
            "--quiet",
            "--all-targets",
            "-p",
            &package,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    steps.next(
        "encrypted records, release build",
        "400 survey records, each compared with the integer reference",
    );
    let test = [
        "test",
        "--locked",
        "--release",
        "-p",
        "obscura-system-tests",
        "--test",
        "encrypted_records",
    ];
    run(&mut cargo(&test))?;
    steps.next(
        "unit tests, release build",
        "the arithmetic and the formats under the settings that ship",
    );
    let models = [
        "obscura-circuit",
        "obscura-bundle",
        "obscura-fhe-core",
        "obscura-fhe-client",
        "obscura-fhe-server",
    ];
    let mut test = cargo(&["test", "--locked", "--release"]);
    run(test.args(models.iter().flat_map(|package| ["-p", package])))?;
    steps.next("training", "the shipped payload, made again from the data");
    match data {
        Some(data) => payload_trains_to_the_same_bytes(data)?,
        None => say("      NOT checked: give the folder of the training data with --data DIR"),
    }
    steps.end();
    Ok(())
}

/// Names of the workspace's packages.
fn packages() -> Result<Vec<String>, TaskError> {
    let text = read(&mut cargo(&[
        "metadata",
        "--locked",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let bad = || TaskError::BadReport {
        program: "cargo metadata",
    };
    let metadata: serde_json::Value = serde_json::from_str(&text).map_err(|_source| bad())?;
    let packages = metadata["packages"].as_array().ok_or_else(bad)?;
    Ok(packages
        .iter()
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect())
}

fn payload_trains_to_the_same_bytes(data: &Path) -> Result<(), TaskError> {
    let out = target("training-check")?;
    train::train_into(&out, Some(data))?;
    let (shipped, again) = (
        train::files(&train::shipped().join("payload"))?,
        train::files(&out.join("payload"))?,
    );
    let files = train::differences(&shipped, &again);
    if !files.is_empty() {
        return Err(TaskError::PayloadDiffers {
            files: files.join(", "),
        });
    }
    say("      every payload file has the same bytes");
    Ok(())
}
