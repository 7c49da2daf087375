//! The socket pair ends and the frames on them.

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use obscura_protocol::codec::{self, DecodeError};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// Why a local conversation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The other process closed the socket between two frames.
    #[error("the other process closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("local socket failed")]
    Io(#[from] io::Error),
    /// The frame announces more than this end takes.
    #[error("local frame is {got_bytes} bytes, at most {max_bytes} are allowed")]
    FrameTooLarge {
        /// Announced length.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The frame is not the expected value.
    #[error("local frame does not decode")]
    Decode(#[from] DecodeError),
    /// A process of another user knocked.
    #[error("a process of user {uid} may not connect")]
    ForeignUser {
        /// Its user id.
        uid: u32,
    },
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    max_frame_bytes: usize,
}

impl Channel {
    /// Wraps a connected stream; frames both ways are at most `max_frame_bytes` long.
    pub fn new(stream: UnixStream, max_frame_bytes: usize) -> Self {
        Self {
            stream,
            max_frame_bytes,
        }
    }

    /// Two connected ends in one process.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pair(max_frame_bytes: usize) -> Result<(Self, Self), ChannelError> {
        let (a, b) = UnixStream::pair()?;
        Ok((Self::new(a, max_frame_bytes), Self::new(b, max_frame_bytes)))
    }

    /// Connects to `path`, trying again for `patience` while nobody listens there yet.
    ///
    /// # Errors
    /// The last connection error.
    pub fn connect(path: &Path, max_frame_bytes: usize, patience: Duration) -> Result<Self, ChannelError> {
        const STEP: Duration = Duration::from_millis(20);
        let mut left = patience;
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(Self::new(stream, max_frame_bytes)),
                Err(error) if left.is_zero() => return Err(error.into()),
                Err(_) => {
                    std::thread::sleep(STEP.min(left));
                    left = left.saturating_sub(STEP);
                }
            }
        }
    }

    /// A second handle on the same conversation, so that one thread reads while another writes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_clone(&self) -> Result<Self, ChannelError> {
        Ok(Self::new(self.stream.try_clone()?, self.max_frame_bytes))
    }

    /// Limits how long [`Self::receive`] waits; `None` waits for ever. A timeout is
    /// [`ChannelError::Io`] of kind `WouldBlock` or `TimedOut` and leaves the stream unusable mid-frame.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<(), ChannelError> {
        Ok(self.stream.set_read_timeout(timeout)?)
    }

    /// Sends one value. The buffer is wiped: frames carry passwords and records.
    ///
    /// # Errors
    /// [`ChannelError::FrameTooLarge`] before anything is written, or the operating system's.
    pub fn send<T: Serialize>(&mut self, value: &T) -> Result<(), ChannelError> {
        let body = Zeroizing::new(codec::encode(value));
        let (got_bytes, max_bytes) = (body.len(), self.max_frame_bytes);
        if got_bytes > max_bytes {
            return Err(ChannelError::FrameTooLarge { got_bytes, max_bytes });
        }
        let too_large = |_| ChannelError::FrameTooLarge { got_bytes, max_bytes };
        let length = u32::try_from(got_bytes).map_err(too_large)?;
        self.stream.write_all(&length.to_le_bytes())?;
        self.stream.write_all(&body)?;
        Ok(())
    }

    /// Waits for one value.
    ///
    /// # Errors
    /// [`ChannelError`]; after anything but [`ChannelError::Decode`] the conversation is over.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<T, ChannelError> {
        let mut length = [0; 4];
        if self.stream.read(&mut length[..1])? == 0 {
            return Err(ChannelError::Closed);
        }
        self.stream.read_exact(&mut length[1..])?;
        let got_bytes = u32::from_le_bytes(length) as usize;
        if got_bytes > self.max_frame_bytes {
            return Err(ChannelError::FrameTooLarge {
                got_bytes,
                max_bytes: self.max_frame_bytes,
            });
        }
        let mut body = Zeroizing::new(vec![0; got_bytes]);
        self.stream.read_exact(&mut body)?;
        Ok(codec::decode(&body, self.max_frame_bytes)?)
    }

    /// Ends the conversation for both ends and every clone.
    pub fn shutdown(&self) {
        // The other end may be gone already, which is what we want.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// A listening socket that only this user can reach; removed on drop.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    path: PathBuf,
    max_frame_bytes: usize,
}

impl Listener {
    /// Listens at `path`, replacing a socket a dead process left there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(path: &Path, max_frame_bytes: usize) -> Result<Self, ChannelError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            inner: listener,
            path: path.to_owned(),
            max_frame_bytes,
        })
    }

    /// Waits for a process of the same user.
    ///
    /// # Errors
    /// [`ChannelError::ForeignUser`] (the listener goes on), or the operating system's.
    pub fn accept(&self) -> Result<Channel, ChannelError> {
        let (stream, _) = self.inner.accept()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?;
        if peer.uid != rustix::process::geteuid() {
            return Err(ChannelError::ForeignUser {
                uid: peer.uid.as_raw(),
            });
        }
        Ok(Channel::new(stream, self.max_frame_bytes))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A leftover socket is harmless: the next bind replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_values_both_ways_and_reports_the_end() {
        let (mut a, mut b) = Channel::pair(64).unwrap();
        a.send(&(7_u32, "text".to_owned())).unwrap();
        assert_eq!(b.receive::<(u32, String)>().unwrap(), (7, "text".to_owned()));
        drop(a);
        assert!(matches!(b.receive::<u8>(), Err(ChannelError::Closed)));
    }

    #[test]
    fn refuses_a_frame_over_the_limit_before_reading_it() {
        let (mut a, _keep) = Channel::pair(4).unwrap();
        assert!(matches!(
            a.send(&[0_u8; 9]),
            Err(ChannelError::FrameTooLarge {
                got_bytes: 9,
                max_bytes: 4
            })
        ));
        let (mut raw, end) = UnixStream::pair().unwrap();
        raw.write_all(&u32::MAX.to_le_bytes()).unwrap();
        let mut end = Channel::new(end, 4);
        assert!(matches!(
            end.receive::<u8>(),
            Err(ChannelError::FrameTooLarge { .. })
        ));
    }

    #[test]
    fn replaces_a_stale_socket_and_keeps_it_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::mem::forget(UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&path, 64).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = Channel::connect(&path, 64, Duration::ZERO).unwrap();
        let mut server = listener.accept().unwrap();
        client.send(&1_u8).unwrap();
        assert_eq!(server.receive::<u8>().unwrap(), 1);
    }
}
