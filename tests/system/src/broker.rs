//! A real Mosquitto on the configuration that `obscura-provision` wrote.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{HarnessError, Managed, places, wait_until};

const START_LIMIT: Duration = Duration::from_secs(10);

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    process: Managed,
    folder: PathBuf,
    log: PathBuf,
    port: u16,
}

impl Broker {
    /// Starts the broker of the site's `broker` folder and waits until it listens on `port`.
    ///
    /// # Errors
    /// [`HarnessError`], with the broker's own words when it refuses its configuration.
    pub fn start(folder: &Path, port: u16, log: &Path) -> Result<Self, HarnessError> {
        let process = start(folder, port, log)?;
        Ok(Self {
            process,
            folder: folder.to_owned(),
            log: log.to_owned(),
            port,
        })
    }

    /// Kills the broker without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), HarnessError> {
        self.process = start(&self.folder, self.port, &self.log)?;
        Ok(())
    }

    /// The process, for its log.
    pub fn process(&mut self) -> &mut Managed {
        &mut self.process
    }
}

fn start(folder: &Path, port: u16, log: &Path) -> Result<Managed, HarnessError> {
    let mut command = Command::new(places::mosquitto()?);
    command.args(["-c", "mosquitto.conf"]).current_dir(folder);
    let mut process = Managed::start("mosquitto", &command, log)?;
    wait_until("the broker's start", START_LIMIT, || {
        process.check_running()?;
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
    })?;
    Ok(process)
}

/// A TCP port that is free now.
///
/// # Errors
/// [`HarnessError::DeviceStart`] when the system gives none.
pub(crate) fn free_port() -> Result<u16, HarnessError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener
        .map(|address| address.port())
        .map_err(|source| HarnessError::DeviceStart {
            program: "a local TCP port".to_owned(),
            source,
        })
}
