//! What the use cases need: the two processes and a face.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use obscura_local::agent::{
    ImageView, LinkCommand, LinkEvent, Pixels, ScanOutcome, VaultReply, VaultRequest,
};

use crate::error::CliError;

/// The vault process.
pub(crate) trait Vault {
    /// Asks and waits for the reply; `tick` is called with progress, and with nothing at least every
    /// second.
    ///
    /// # Errors
    /// [`CliError::Vault`] when the vault refuses, or that it is gone.
    fn ask(
        &mut self,
        request: VaultRequest,
        tick: &mut dyn FnMut(Option<(u32, u32)>),
    ) -> Result<VaultReply, CliError>;
}

/// The link process.
pub(crate) trait Link {
    /// Tells it what to do.
    ///
    /// # Errors
    /// That it is gone.
    fn tell(&mut self, command: LinkCommand) -> Result<(), CliError>;

    /// The next event, `None` when there is none for `patience`.
    ///
    /// # Errors
    /// That it is gone.
    fn next(&mut self, patience: Duration) -> Result<Option<LinkEvent>, CliError>;
}

/// Reads image files.
pub(crate) trait Images {
    /// The pixels of an image, as the model asks for them.
    ///
    /// # Errors
    /// [`CliError::ConfigImage`] or [`CliError::DeviceImage`].
    fn pixels(&mut self, path: &Path, view: &ImageView) -> Result<Pixels, CliError>;
}

/// Keeps results as pictures.
pub(crate) trait Pictures {
    /// Draws what the model says over the pixels it read, and keeps it in a file; its path.
    ///
    /// # Errors
    /// [`CliError::Picture`].
    fn keep(&mut self, pixels: Pixels, outcome: &ScanOutcome) -> Result<PathBuf, CliError>;
}

/// What is going on, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Waiting for the box, without a measure.
    Box,
    /// Making keys, in steps.
    Keys,
    /// Uploading evaluation keys, in bytes.
    Upload,
    /// Sending a model, in bytes.
    Model,
    /// Waiting for answers, in items.
    Answers,
    /// Reading image files, in files.
    Images,
}

/// Shows what is going on while it is going on.
pub(crate) trait Face {
    /// Something happened once.
    fn note(&mut self, text: &str);

    /// An activity stands at `done` of `of`; `detail` says more.
    fn progress(&mut self, activity: Activity, done: u64, of: u64, detail: &str);

    /// The activity is over.
    fn finished(&mut self);
}
