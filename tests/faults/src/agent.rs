//! One life of the agent's command line: `record` or `resume`, its output in files that stay.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use obscura_system_tests::{HarnessError, Managed, Site};

use crate::{
    plan::Victim,
    processes,
    shown::{self, Shown},
};

/// The agent gives up when nothing moved for so long; it is then started again.
const PATIENCE_S: &str = "60";

/// What the agent is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Send these records: names and places in the file of test records.
    Record(Vec<(String, usize)>),
    /// Send this image, a file of the site's logs.
    Scan(String),
    /// Send again what has no result.
    Resume,
}

/// A life under way.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Managed,
    folder: PathBuf,
    /// What it was started for.
    pub(crate) task: Task,
    /// Its standard output.
    pub(crate) out: PathBuf,
    err: PathBuf,
    killed: bool,
}

impl Agent {
    /// Starts the agent of `device`; `name` is for its files.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub(crate) fn start(site: &Site, device: &str, name: &str, task: Task) -> Result<Self, HarnessError> {
        let mut command = site.program("obscura-agent")?;
        match &task {
            Task::Record(_) => {
                let input = format!("logs/{name}.records.json");
                command.args(["record", "--with-reference", "--input", &input]);
            }
            Task::Scan(image) => {
                command.args(["scan", "--with-reference", &format!("logs/{image}")]);
            }
            Task::Resume => drop(command.args(["resume", "--with-reference"])),
        }
        command.args(["--config", &format!("site/{device}/agent.toml")]);
        command.args(["--password-file", "password", "--patience-s", PATIENCE_S]);
        let file = |kind: &str| site.path(&format!("logs/{name}.{kind}"));
        let (out, err) = (file("out"), file("err"));
        let create = |path: &Path| {
            File::create(path).map_err(|source| HarnessError::DeviceIo {
                path: path.to_owned(),
                source,
            })
        };
        let (to_out, to_err) = (create(&out)?, create(&err)?);
        let process = Managed::start_with("obscura-agent", &command, to_out.into(), to_err.into(), &err)?;
        Ok(Self {
            process,
            folder: site.path(""),
            task,
            out,
            err,
            killed: false,
        })
    }

    /// Kills all of its processes or one of them.
    pub(crate) fn kill(&mut self, victim: Victim) {
        let program = match victim {
            Victim::CommandLine => "obscura-agent",
            Victim::Vault => "obscura-agent-vault",
            Victim::Link => "obscura-agent-link",
            _ => {
                self.killed = true;
                return self.process.kill();
            }
        };
        let group = processes::of_group(&self.folder, self.process.pid());
        for process in group.iter().filter(|process| process.program == program) {
            self.killed = true;
            process.kill();
        }
    }

    /// The names of the records it was started with.
    pub(crate) fn given(&self) -> Vec<String> {
        match &self.task {
            Task::Record(records) => records.iter().map(|(label, _)| label.clone()).collect(),
            Task::Scan(image) => vec![image.clone()],
            Task::Resume => Vec::new(),
        }
    }

    /// What it has shown so far.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        shown::parse(&fs::read_to_string(&self.out).unwrap_or_default())
    }

    /// What it has said on standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`HarnessError`] when that cannot be known.
    pub(crate) fn ended(&mut self) -> Result<Option<End>, HarnessError> {
        match self.process.wait(Duration::ZERO) {
            Ok(status) => Ok(Some(End {
                code: status.code(),
                killed: self.killed,
            })),
            Err(HarnessError::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The end of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// Whether a fault killed it or one of its two others.
    pub(crate) killed: bool,
}

impl End {
    /// Whether it ended by itself and had nothing left to do.
    pub(crate) fn is_clean(self) -> bool {
        self.code == Some(0)
    }
}
