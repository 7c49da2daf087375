//! What the verbs install, always announced: Debian packages, cargo-deny, a Python environment.

use std::{fs, path::PathBuf};

use obscura_system_tests::repository;

use crate::{
    error::TaskError,
    run::{cargo, command, run, target, works},
    ui::say,
};

/// The release whose offline database folder [`crate::gate`] fills.
const CARGO_DENY: &str = "0.20.2";

/// Something a verb needs from Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Debian {
    /// The broker.
    Mosquitto,
    /// An independent MQTT client, to test the broker's policy.
    MosquittoClients,
    /// A C++ compiler, for the fuzzing runtime.
    Cxx,
    /// Virtual environments for Debian's Python.
    PythonVenv,
}

impl Debian {
    fn package(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::MosquittoClients => "mosquitto-clients",
            Self::Cxx => "g++",
            Self::PythonVenv => "python3-venv",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Mosquitto => on_path("mosquitto"),
            Self::MosquittoClients => on_path("mosquitto_pub") && on_path("mosquitto_sub"),
            Self::Cxx => on_path("g++"),
            Self::PythonVenv => python().is_some(),
        }
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/sbin"));
    folders.iter().any(|folder| folder.join(program).is_file())
}

/// Installs those of `wanted` that are missing.
///
/// # Errors
/// [`TaskError::CannotInstall`] without the right to, or what apt-get fails with.
pub(crate) fn debian(wanted: &[Debian]) -> Result<(), TaskError> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|one| !one.is_there())
        .map(|one| one.package())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    say(&format!("Installing from Debian: {packages}"));
    let root = fs::metadata("/proc/self").is_ok_and(|own| is_root(&own));
    if !root && !works(command("sudo").args(["-n", "true"])) {
        return Err(TaskError::CannotInstall { packages });
    }
    let apt = |arguments: &[&str]| {
        let mut apt = if root { command("apt-get") } else { command("sudo") };
        if !root {
            apt.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-y"])
            .args(arguments);
        run(&mut apt)
    };
    apt(&["update"])?;
    // The service that Debian would start is not ours: the broker runs on the site's own configuration.
    apt(&[&["install", "--no-install-recommends"], missing.as_slice()].concat())
}

fn is_root(own: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}

/// The folder of cargo-deny, built once into `target/tools`.
///
/// # Errors
/// What cargo fails with.
pub(crate) fn cargo_deny() -> Result<PathBuf, TaskError> {
    let root = target("tools/.")?;
    let program = root.join("bin/cargo-deny");
    let is_right = |program: &std::path::Path| {
        let mut ask = command(&program.to_string_lossy());
        ask.arg("--version").output().is_ok_and(|out| {
            String::from_utf8_lossy(&out.stdout).trim() == format!("cargo-deny {CARGO_DENY}")
        })
    };
    if is_right("cargo-deny".as_ref()) {
        return Ok(PathBuf::from("cargo-deny"));
    }
    if !is_right(&program) {
        say(&format!(
            "Installing from crates.io into target/tools: cargo-deny {CARGO_DENY} (takes minutes, once)"
        ));
        let mut install = cargo(&[
            "install",
            "--locked",
            "--quiet",
            "--debug",
            "--force",
            "--version",
            CARGO_DENY,
        ]);
        install
            .arg("--root")
            .arg(&root)
            .arg("--target-dir")
            .arg(root.join("build"))
            .arg("cargo-deny");
        run(&mut install)?;
        let _ = fs::remove_dir_all(root.join("build"));
    }
    Ok(program)
}

/// A Python of the version the training is locked to, with the modules an environment needs.
fn python() -> Option<&'static str> {
    const TEST: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < (3, 11))";
    let known = ["python3.11", "/usr/bin/python3.11", "python3", "/usr/bin/python3"];
    known
        .into_iter()
        .find(|name| works(command(name).args(["-c", TEST])))
}

/// The Python of a virtual environment under `target/` that holds exactly the locked packages.
///
/// # Errors
/// [`TaskError::NoPython`], or what pip fails with.
pub(crate) fn training_python() -> Result<PathBuf, TaskError> {
    environment("models/training/requirements.lock", "training-venv")
}

/// The same with a deep-learning framework, gigabytes of it: only for verbs that train with one.
///
/// # Errors
/// As [`training_python`].
pub(crate) fn deep_learning_python() -> Result<PathBuf, TaskError> {
    environment("models/training/requirements-derm.lock", "training-derm-venv")
}

/// An environment in `target/` of the packages that a file of the repository locks.
fn environment(locked: &str, name: &str) -> Result<PathBuf, TaskError> {
    let lock = repository().join(locked);
    let wanted = fs::read(&lock).map_err(|source| TaskError::Io {
        path: lock.clone(),
        source,
    })?;
    let folder = target(&format!("{name}/."))?;
    let (stamp, program) = (folder.join("installed.lock"), folder.join("bin/python"));
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    debian(&[Debian::PythonVenv])?;
    say(&format!("Installing from PyPI into target/{name}: {locked}"));
    let base = python().ok_or(TaskError::NoPython)?;
    run(command(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(command(&program.to_string_lossy())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(&lock))?;
    fs::write(&stamp, wanted).map_err(|source| TaskError::Io { path: stamp, source })?;
    Ok(program)
}
