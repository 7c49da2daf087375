//! Image files, read by a process of their own: what a foreign file does to its decoder stays there.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use obscura_local::{
    agent::{ImageView, Pixels},
    imaging::{ImagingReply, ImagingRequest, MAX_FILE_BYTES, MAX_FRAME_BYTES},
};
use zeroize::{Zeroize, Zeroizing};

use super::process::Process;
use crate::{error::CliError, ports::Images};

/// Longest time one image may take to read.
const PATIENCE: Duration = Duration::from_mins(1);

/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// Starts the process when the first image is read, and again when it ended over one.
#[derive(Default)]
pub(crate) struct ImagingProcess {
    process: Option<Process<ImagingReply>>,
}

impl ImagingProcess {
    pub(super) fn ask(&mut self, request: &ImagingRequest) -> Result<ImagingReply, CliError> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::spawn("imaging", &[], MAX_FRAME_BYTES)?,
        };
        process.send(request)?;
        let until = Instant::now() + PATIENCE;
        let reply = process.receive(until.saturating_duration_since(Instant::now()))?;
        let reply = reply.unwrap_or_else(|| ImagingReply::Refused {
            text: format!("reading it takes more than {} s", PATIENCE.as_secs()),
        });
        // One that did not answer in time is dropped, and with it what it still works on.
        if Instant::now() < until {
            self.process = Some(process);
        }
        Ok(reply)
    }
}

impl Images for ImagingProcess {
    fn pixels(&mut self, path: &Path, view: &ImageView) -> Result<Pixels, CliError> {
        let refused = |text: String| CliError::DeviceImage {
            path: path.to_owned(),
            text,
        };
        let file = read(path)?;
        let file = file.ok_or_else(|| {
            refused(format!(
                "it is larger than {} MiB, the most that is read",
                MAX_FILE_BYTES / (1024 * 1024)
            ))
        })?;
        let (side, crop) = (view.side, view.crop);
        let mut request = ImagingRequest::Read { file, side, crop };
        let reply = self.ask(&request);
        if let ImagingRequest::Read { file, .. } = &mut request {
            file.zeroize();
        }
        match reply {
            Ok(ImagingReply::Pixels { rgb, .. }) => Ok(Pixels(Zeroizing::new(rgb))),
            Ok(ImagingReply::Refused { text }) => Err(refused(text)),
            Ok(ImagingReply::Picture { .. }) => Err(CliError::Unexpected { name: "imaging" }),
            Err(CliError::Stopped { exit_code, name }) => Err(fault_of_the_file(exit_code)
                .map_or(CliError::Stopped { exit_code, name }, |text| {
                    refused(text.to_owned())
                })),
            Err(error) => Err(error),
        }
    }
}

/// What a file did to the process that ended over it; `None` when the process gave up for reasons of its own. The next
/// file is read by a new process.
fn fault_of_the_file(exit_code: Option<i32>) -> Option<&'static str> {
    match exit_code {
        None => Some("its reader was killed: it is damaged or needs too much memory"),
        Some(PANICKED) => Some("its reader failed over it: it is damaged or not an image"),
        Some(_) => None,
    }
}

/// The file's bytes; `None` when there are too many.
fn read(path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    let failed = |source| CliError::ConfigImage {
        path: PathBuf::from(path),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let most = MAX_FILE_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() <= MAX_FILE_BYTES).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_was_killed_or_panicked_speaks_against_the_file() {
        assert!(fault_of_the_file(None).is_some_and(|text| text.contains("memory")));
        assert!(fault_of_the_file(Some(PANICKED)).is_some());
        // Misuse, and a process that could not be confined: every file would be blamed.
        assert_eq!([0, 2, 70].map(|code| fault_of_the_file(Some(code))), [None; 3]);
    }
}
