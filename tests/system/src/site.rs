//! A throw-away site: a root that signs the model for this run, box identity, one device, one broker.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Broker, HarnessError, Managed, Programs,
    broker::free_port,
    fixtures::{CARDIO_LR, Payload},
    repository, wait_until,
};

const BOX_START_LIMIT: Duration = Duration::from_secs(30);
/// Protects nothing: the folder is gone after the run.
const PASSWORD: &str = "a password for one throw-away run\n";

/// A made site in a temporary folder, which disappears with this value.
#[derive(Debug)]
pub struct Site {
    folder: Folder,
    programs: Programs,
    port: u16,
    model: Payload,
}

#[derive(Debug)]
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Site {
    /// An empty folder for the shipped model; [`Self::sign_model`] and [`Self::provision`] fill it.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn empty() -> Result<Self, HarnessError> {
        Self::empty_for(CARDIO_LR)
    }

    /// The same for another model.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn empty_for(model: Payload) -> Result<Self, HarnessError> {
        let programs = Programs::locate()?;
        let temp = tempfile::Builder::new().prefix("obscura-").tempdir();
        let temp = temp.map_err(|source| HarnessError::DeviceIo {
            path: std::env::temp_dir(),
            source,
        })?;
        let site = Self {
            folder: Folder::Temporary(temp),
            programs,
            port: free_port()?,
            model,
        };
        site.write_secret("password", PASSWORD)?;
        make_folder(&site.path("logs"))?;
        Ok(site)
    }

    /// A complete site with the shipped model on box and device.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn make() -> Result<Self, HarnessError> {
        Self::make_for(CARDIO_LR)
    }

    /// The same with another model.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn make_for(model: Payload) -> Result<Self, HarnessError> {
        let site = Self::empty_for(model)?;
        site.sign_model()?;
        site.provision()?;
        Ok(site)
    }

    /// A path in the temporary folder.
    pub fn path(&self, name: &str) -> PathBuf {
        let folder = match &self.folder {
            Folder::Temporary(temp) => temp.path(),
            Folder::Kept(path) => path,
        };
        folder.join(name)
    }

    /// The built programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// TCP port of the broker.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Keeps the folder after this value is gone, and says where it is.
    #[must_use]
    pub fn keep(mut self) -> (Self, PathBuf) {
        let path = self.path("");
        if let Folder::Temporary(temp) = std::mem::replace(&mut self.folder, Folder::Kept(path.clone())) {
            // The path is remembered above.
            let _ = temp.keep();
        }
        (self, path)
    }

    /// Makes a root for this run and signs the model with it.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn sign_model(&self) -> Result<(), HarnessError> {
        let mut root = self.program("obscura-sign")?;
        root.args([
            "root",
            "new",
            "--out",
            "root.bin",
            "--key",
            "root.key",
            "--password-file",
            "password",
        ]);
        self.run(&mut root)?;
        let mut bundle = self.program("obscura-sign")?;
        bundle.args(["bundle", "--model-id", self.model.id, "--version", "0.1.0"]);
        bundle.args(["--counter", "1", "--key", "root.key", "--root", "root.bin"]);
        bundle.args(["--password-file", "password", "--out", &self.bundle()]);
        bundle.arg("--payload").arg(repository().join(self.model.folder));
        self.run(&mut bundle).map(drop)
    }

    /// Makes identities and configuration, and puts the signed model on box and device.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn provision(&self) -> Result<(), HarnessError> {
        let mut provision = self.program("obscura-provision")?;
        provision.args(["new-site", "--dir", "site", "--root", "root.bin", "--port"]);
        provision.arg(self.port.to_string());
        provision.args(["--model", self.model.id]);
        self.run(&mut provision)?;
        let bundle = self.bundle();
        self.copy(&bundle, &format!("site/box/models/{bundle}"))?;
        self.copy(&bundle, &format!("site/device-1/{bundle}"))
    }

    fn bundle(&self) -> String {
        format!("{}.obb", self.model.id)
    }

    /// Copies a file within the folder.
    ///
    /// # Errors
    /// [`HarnessError::DeviceIo`].
    pub fn copy(&self, from: &str, to: &str) -> Result<(), HarnessError> {
        let to = self.path(to);
        fs::copy(self.path(from), &to)
            .map(drop)
            .map_err(|source| HarnessError::DeviceIo { path: to, source })
    }

    /// Writes a file that only its owner can read.
    ///
    /// # Errors
    /// [`HarnessError::DeviceIo`].
    pub fn write_secret(&self, name: &str, text: &str) -> Result<(), HarnessError> {
        let path = self.path(name);
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| HarnessError::DeviceIo { path, source })
    }

    /// A program of the workspace, to be run in the temporary folder.
    ///
    /// # Errors
    /// [`HarnessError::MisuseNotBuilt`].
    pub fn program(&self, name: &str) -> Result<Command, HarnessError> {
        let mut command = Command::new(self.programs.path(name)?);
        command.current_dir(self.path(""));
        Ok(command)
    }

    /// Runs a program to its end and gives what it printed on standard output.
    ///
    /// # Errors
    /// [`HarnessError::ProgramFailed`] with what it said.
    pub fn run(&self, command: &mut Command) -> Result<String, HarnessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command.output().map_err(|source| HarnessError::DeviceStart {
            program: program.clone(),
            source,
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let output_text = text(&output.stdout) + &text(&output.stderr);
        Err(HarnessError::ProgramFailed {
            program,
            code: output.status.code(),
            output: output_text,
        })
    }

    /// Starts the broker and waits until it listens.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn start_broker(&self) -> Result<Broker, HarnessError> {
        Broker::start(
            &self.path("site/broker"),
            self.port,
            &self.path("logs/mosquitto.log"),
        )
    }

    /// Starts the box and waits until it says that it is ready.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn start_box(&self) -> Result<BoxProcess, HarnessError> {
        let mut process = self.start_box_unready()?;
        process.wait_until_ready()?;
        Ok(process)
    }

    /// Starts the box without waiting.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn start_box_unready(&self) -> Result<BoxProcess, HarnessError> {
        let mut command = self.program("obscura-box")?;
        command.args(["run", "--config", "site/box/box.toml"]);
        let ready = self.path("site/box/run/ready");
        // A file of an earlier run would end the wait too early.
        let _ = fs::remove_file(&ready);
        let process = Managed::start("obscura-box", &command, &self.path("logs/box.log"))?;
        Ok(BoxProcess { process, ready })
    }

    /// The end of every log, for people who want to know what went wrong.
    pub fn log_tails(&self, lines: usize) -> String {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.path("logs"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        paths.sort();
        let one = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("  {name}:\n{}", crate::process::tail(path, lines))
        };
        paths.iter().map(one).collect()
    }
}

fn make_folder(path: &Path) -> Result<(), HarnessError> {
    fs::create_dir_all(path).map_err(|source| HarnessError::DeviceIo {
        path: path.to_owned(),
        source,
    })
}

/// A running box: launcher, gate, compute and trust.
#[derive(Debug)]
pub struct BoxProcess {
    process: Managed,
    ready: PathBuf,
}

impl BoxProcess {
    /// Waits until the box says that it is ready.
    ///
    /// # Errors
    /// [`HarnessError`], with the box's log when it has ended.
    pub fn wait_until_ready(&mut self) -> Result<(), HarnessError> {
        wait_until("the box's start", BOX_START_LIMIT, || {
            self.process.check_running()?;
            Ok(self.ready.exists().then_some(()))
        })
    }

    /// The launcher's process, for its log.
    pub fn process(&mut self) -> &mut Managed {
        &mut self.process
    }
}
