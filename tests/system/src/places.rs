//! Where the repository and the built programs are.

use std::path::{Path, PathBuf};

use crate::HarnessError;

/// The root of the repository these tests were built from.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The folder of the built programs.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs beside the running one, or one folder up where cargo puts tests.
    ///
    /// # Errors
    /// [`HarnessError::MisuseNotBuilt`].
    pub fn locate() -> Result<Self, HarnessError> {
        let own = std::env::current_exe().map_err(|source| HarnessError::DeviceIo {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        let folders = own.ancestors().skip(1).take(2);
        let found = folders
            .clone()
            .find(|folder| folder.join("obscura-provision").is_file());
        match found.or_else(|| folders.clone().last()) {
            Some(folder) => Ok(Self {
                folder: folder.to_owned(),
            }),
            None => Err(HarnessError::MisuseNotBuilt { path: own }),
        }
    }

    /// The program `name`.
    ///
    /// # Errors
    /// [`HarnessError::MisuseNotBuilt`].
    pub fn path(&self, name: &str) -> Result<PathBuf, HarnessError> {
        let path = self.folder.join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(HarnessError::MisuseNotBuilt { path })
        }
    }
}

/// Mosquitto, which Debian installs outside an ordinary user's search path.
pub(crate) fn mosquitto() -> Result<PathBuf, HarnessError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders
        .into_iter()
        .map(|folder| folder.join("mosquitto"))
        .find(|path| path.is_file());
    found.ok_or(HarnessError::DeviceNoBroker)
}
