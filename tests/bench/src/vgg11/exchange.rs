//! What client and server of the measurement exchange: files in a throw-away folder.
//!
//! The server runs in a process of its own, so that its memory is the box's and not the client's too.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    BenchError,
    report::cores,
    standin::{read, write},
};

/// Argument of the process that evaluates.
pub(crate) const SERVER: &str = "vgg11-server";

/// The folder and what lies in it.
pub(super) struct Exchange {
    folder: PathBuf,
    /// Deletes the folder in the end, on the side that made it.
    _guard: Option<TempDir>,
}

impl Exchange {
    /// A new folder.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn new() -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(|source| BenchError::Io {
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self {
            folder: folder.path().to_owned(),
            _guard: Some(folder),
        })
    }

    /// The folder another process made.
    pub(super) fn open(folder: &str) -> Self {
        Self {
            folder: folder.into(),
            _guard: None,
        }
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    pub(super) fn item(&self, patch: usize) -> PathBuf {
        self.folder.join(format!("item-{patch}"))
    }

    pub(super) fn answer(&self, patch: usize) -> PathBuf {
        self.folder.join(format!("answer-{patch}"))
    }

    pub(super) fn samples(&self, patch: usize) -> PathBuf {
        self.folder.join(format!("samples-{patch}"))
    }

    pub(super) fn run(&self, patch: usize) -> PathBuf {
        self.folder.join(format!("run-{patch}.json"))
    }

    /// Has `count` items evaluated, one after the other.
    ///
    /// # Errors
    /// [`BenchError`]; the process has said why.
    pub(super) fn serve(&self, network: &str, count: usize) -> Result<(), BenchError> {
        let status = std::env::current_exe()
            .and_then(|own| {
                Command::new(own)
                    .args([SERVER, network, &count.to_string()])
                    .arg(&self.folder)
                    .status()
            })
            .map_err(|source| BenchError::Process { name: SERVER, source })?;
        if status.success() {
            Ok(())
        } else {
            Err(BenchError::NoFigure { name: SERVER })
        }
    }
}

/// What the server measured on one item.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub(super) wall_s: f64,
    /// Processor time of all threads.
    pub(super) cpu_s: f64,
    /// Wall time by stretches of layers that ended together.
    pub(super) stretches: Vec<Stretch>,
    /// Time of dense layers and pools, all threads together.
    pub(super) linear_s: f64,
    /// Time of key switches, all threads together.
    pub(super) key_switch_s: f64,
    /// Time of rotations, all threads together.
    pub(super) rotation_s: f64,
    pub(super) load_keys_s: f64,
    /// Most memory the process held so far.
    pub(super) peak_rss_mib: f64,
}

/// Layers that were evaluated together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) first: usize,
    /// Inclusive.
    pub(super) last: usize,
    pub(super) wall_s: f64,
}

impl Run {
    /// The share of `seconds`, of all threads together, in what the cores could have done meanwhile.
    #[expect(clippy::cast_precision_loss, reason = "a handful of cores")]
    pub(super) fn share(&self, seconds: f64) -> f64 {
        seconds / (self.wall_s * cores() as f64)
    }

    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn write(&self, path: &Path) -> Result<(), BenchError> {
        let stretches: Vec<Value> = self
            .stretches
            .iter()
            .map(|s| json!([s.first, s.last, s.wall_s]))
            .collect();
        let json = json!({
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "stretches": stretches,
            "linear_s": self.linear_s,
            "key_switch_s": self.key_switch_s,
            "rotation_s": self.rotation_s,
            "load_keys_s": self.load_keys_s,
            "peak_rss_mib": self.peak_rss_mib,
        });
        write(path, json.to_string().as_bytes())
    }

    /// # Errors
    /// [`BenchError::Io`], [`BenchError::BadFile`].
    pub(super) fn read(path: &Path) -> Result<Self, BenchError> {
        let json: Value = serde_json::from_slice(&read(path)?).unwrap_or_default();
        Self::parse(&json).ok_or_else(|| BenchError::BadFile {
            path: path.to_owned(),
            want: "a report of one evaluation",
        })
    }

    fn parse(json: &Value) -> Option<Self> {
        let number = |name: &str| json.get(name)?.as_f64();
        let index = |value: &Value| value.as_u64().and_then(|index| usize::try_from(index).ok());
        let stretch = |value: &Value| {
            Some(Stretch {
                first: index(value.get(0)?)?,
                last: index(value.get(1)?)?,
                wall_s: value.get(2)?.as_f64()?,
            })
        };
        Some(Self {
            wall_s: number("wall_s")?,
            cpu_s: number("cpu_s")?,
            stretches: json
                .get("stretches")?
                .as_array()?
                .iter()
                .map(stretch)
                .collect::<Option<_>>()?,
            linear_s: number("linear_s")?,
            key_switch_s: number("key_switch_s")?,
            rotation_s: number("rotation_s")?,
            load_keys_s: number("load_keys_s")?,
            peak_rss_mib: number("peak_rss_mib")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_survives_the_way_between_processes() {
        let run = Run {
            wall_s: 200.5,
            stretches: vec![Stretch {
                first: 0,
                last: 2,
                wall_s: 90.25,
            }],
            peak_rss_mib: 900.0,
            ..Run::default()
        };
        let exchange = Exchange::new().unwrap();
        run.write(&exchange.run(0)).unwrap();
        assert_eq!(Run::read(&exchange.run(0)).unwrap(), run);
        write(&exchange.run(1), b"{}").unwrap();
        assert!(Run::read(&exchange.run(1)).is_err());
    }
}
