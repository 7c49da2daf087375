//! The vault and the link as child processes, each at the other end of a socket that is its standard input.
//!
//! They end when the socket closes, whatever becomes of this process.

use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use obscura_local::{
    Channel, ChannelError,
    agent::{LinkCommand, LinkEvent, MAX_FRAME_BYTES, VaultReply, VaultRequest},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::CliError,
    ports::{Link, Vault},
};

/// How long a child may take to end after its socket closed.
const FAREWELL: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_secs(1);

/// A child process that receives `T`.
pub(crate) struct Process<T> {
    name: &'static str,
    child: Child,
    channel: Channel,
    replies: Receiver<Result<T, ChannelError>>,
}

impl<T: DeserializeOwned + Send + 'static> Process<T> {
    /// Starts `obscura-agent-<name>` from the folder of this program, with the device's configuration.
    ///
    /// # Errors
    /// [`CliError::Start`].
    pub(crate) fn start(name: &'static str, config: &Path, log: &str) -> Result<Self, CliError> {
        let arguments = [
            "--config".as_ref(),
            config.as_os_str(),
            "--log".as_ref(),
            log.as_ref(),
        ];
        Self::spawn(name, &arguments, MAX_FRAME_BYTES)
    }

    /// Starts one with these arguments; frames both ways are at most `max_frame_bytes` long.
    ///
    /// # Errors
    /// [`CliError::Start`].
    pub(super) fn spawn(
        name: &'static str,
        arguments: &[&OsStr],
        max_frame_bytes: usize,
    ) -> Result<Self, CliError> {
        let this = std::env::current_exe().unwrap_or_default();
        let path = this.with_file_name(format!("obscura-agent-{name}"));
        let failed = |source: io::Error| CliError::Start {
            name,
            path: path.clone(),
            source,
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let child = Command::new(&path)
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let channel = Channel::new(ours, max_frame_bytes);
        let mut reader = channel
            .try_clone()
            .map_err(|source| CliError::Channel { name, source })?;
        let (sender, replies) = std::sync::mpsc::channel();
        thread::spawn(move || {
            loop {
                let received = reader.receive();
                let over = received.is_err();
                if sender.send(received).is_err() || over {
                    return;
                }
            }
        });
        Ok(Self {
            name,
            child,
            channel,
            replies,
        })
    }

    pub(super) fn send<R: Serialize>(&mut self, value: &R) -> Result<(), CliError> {
        match self.channel.send(value) {
            Err(ChannelError::Io(_)) => Err(self.stopped()),
            sent => sent.map_err(|source| CliError::Channel {
                name: self.name,
                source,
            }),
        }
    }

    pub(super) fn receive(&mut self, patience: Duration) -> Result<Option<T>, CliError> {
        match self.replies.recv_timeout(patience) {
            Ok(Ok(value)) => Ok(Some(value)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Ok(Err(ChannelError::Closed | ChannelError::Io(_))) | Err(RecvTimeoutError::Disconnected) => {
                Err(self.stopped())
            }
            Ok(Err(source)) => Err(CliError::Channel {
                name: self.name,
                source,
            }),
        }
    }

    /// The child closed its end: waits for it and says how it ended.
    fn stopped(&mut self) -> CliError {
        self.end();
        let exit_code = self
            .child
            .try_wait()
            .ok()
            .flatten()
            .and_then(|status| status.code());
        CliError::Stopped {
            name: self.name,
            exit_code,
        }
    }
}

impl<T> Process<T> {
    /// Closes the socket and waits for the child; one that does not end is killed.
    fn end(&mut self) {
        self.channel.shutdown();
        let until = Instant::now() + FAREWELL;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(STEP);
        }
        // Fails only when the child has ended, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<T> Drop for Process<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Vault for Process<VaultReply> {
    fn ask(
        &mut self,
        request: VaultRequest,
        tick: &mut dyn FnMut(Option<(u32, u32)>),
    ) -> Result<VaultReply, CliError> {
        self.send(&request)?;
        // Wipes the password before the wait.
        drop(request);
        loop {
            match self.receive(TICK)? {
                None => tick(None),
                Some(VaultReply::KeyProgress { done, of }) => tick(Some((done, of))),
                Some(VaultReply::Failed { fault, text }) => return Err(CliError::Vault { fault, text }),
                Some(reply) => return Ok(reply),
            }
        }
    }
}

impl Link for Process<LinkEvent> {
    fn tell(&mut self, command: LinkCommand) -> Result<(), CliError> {
        self.send(&command)
    }

    fn next(&mut self, patience: Duration) -> Result<Option<LinkEvent>, CliError> {
        self.receive(patience)
    }
}
