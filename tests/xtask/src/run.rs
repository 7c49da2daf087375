//! Running other programs from the root of the repository.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use obscura_system_tests::repository;

use crate::error::TaskError;

/// Variables that `cargo run` sets for us and that build scripts of others would take for a change.
const OURS: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
];

/// The command `program`, to be run in the root of the repository, in the user's own environment.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repository());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OURS.iter().any(|prefix| text.starts_with(prefix)) || text == "LD_LIBRARY_PATH" {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo with `arguments`.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(arguments);
    cargo
}

/// Runs `command` with our output, and fails when it fails.
///
/// # Errors
/// [`TaskError::NoStart`] or [`TaskError::Failed`].
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    let status = command.status().map_err(|source| no_start(command, source))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(command))
    }
}

/// Runs `command` and takes what it prints on standard output; its errors go where ours go.
///
/// # Errors
/// [`TaskError::NoStart`] or [`TaskError::Failed`].
pub(crate) fn read(command: &mut Command) -> Result<String, TaskError> {
    let (text, done) = read_whatever(command)?;
    done.map(|()| text)
}

/// Runs `command` and takes what it prints on standard output, also when it fails, and whether it did.
///
/// # Errors
/// [`TaskError::NoStart`].
pub(crate) fn read_whatever(command: &mut Command) -> Result<(String, Result<(), TaskError>), TaskError> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|source| no_start(command, source))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let done = if output.status.success() {
        Ok(())
    } else {
        Err(failed(command))
    };
    Ok((text, done))
}

/// Whether `command` starts and succeeds; nothing it says is shown.
pub(crate) fn works(command: &mut Command) -> bool {
    matches!(command.output(), Ok(Output { status, .. }) if status.success())
}

/// `path` under the repository's target folder, which is made if it is missing.
///
/// # Errors
/// [`TaskError::Io`].
pub(crate) fn target(path: &str) -> Result<PathBuf, TaskError> {
    let full = repository().join("target").join(path);
    let folder = full.parent().unwrap_or(&full);
    std::fs::create_dir_all(folder).map_err(|source| TaskError::Io {
        path: folder.to_owned(),
        source,
    })?;
    Ok(full)
}

fn no_start(command: &Command, source: std::io::Error) -> TaskError {
    TaskError::NoStart {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

fn failed(command: &Command) -> TaskError {
    let program = command.get_program();
    let name = std::path::Path::new(program)
        .file_name()
        .unwrap_or(program)
        .to_string_lossy();
    let words = command.get_args().map(|word| word.to_string_lossy());
    let line = std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ");
    TaskError::Failed { command: line }
}
