//! Reading a password from a prompt, a file descriptor or a file.
//!
//! One trailing line end is not part of the password. The text never appears in an error or in `Debug`.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Longest password, bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// Typed at the terminal, unseen.
    Prompt {
        /// Whether it must be typed twice, for a new password.
        confirm: bool,
    },
    /// Read to the end from an open file descriptor of this process.
    Fd(i32),
    /// Read from a file.
    File(PathBuf),
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The terminal cannot be read.
    #[error("cannot read a password from the terminal")]
    DeviceTerminal(#[source] io::Error),
    /// The descriptor cannot be read.
    #[error("cannot read a password from file descriptor {fd}")]
    ConfigDescriptor {
        /// The descriptor's number.
        fd: i32,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read a password from {}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Nothing was given.
    #[error("the password is empty")]
    ConfigEmpty,
    /// The password is too long.
    #[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
    ConfigTooLong,
    /// The two entries differ.
    #[error("the two passwords differ")]
    ConfigMismatch,
}

/// A password; wiped on drop, never printed.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes over a password that was already read, for example from another process.
    ///
    /// # Errors
    /// [`PasswordError::ConfigEmpty`] or [`PasswordError::ConfigTooLong`].
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PasswordError> {
        match bytes.len() {
            0 => Err(PasswordError::ConfigEmpty),
            1..=MAX_PASSWORD_BYTES => Ok(Self(bytes)),
            _ => Err(PasswordError::ConfigTooLong),
        }
    }

    /// Reads a password; `prompt` is shown where somebody types it.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn read(source: &PasswordSource, prompt: &str) -> Result<Self, PasswordError> {
        match source {
            PasswordSource::Prompt { confirm } => {
                let first = typed(&format!("{prompt}: "))?;
                if *confirm && *typed(&format!("{prompt}, again: "))? != *first {
                    return Err(PasswordError::ConfigMismatch);
                }
                Self::new(first)
            }
            PasswordSource::Fd(fd) => {
                let failed = |source| PasswordError::ConfigDescriptor { fd: *fd, source };
                Self::from_reader(&PathBuf::from(format!("/proc/self/fd/{fd}")), failed)
            }
            PasswordSource::File(path) => Self::from_reader(path, |source| PasswordError::ConfigFile {
                path: path.clone(),
                source,
            }),
        }
    }

    /// The password's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_reader(path: &Path, failed: impl Fn(io::Error) -> PasswordError) -> Result<Self, PasswordError> {
        // Room for the limit, a line end, and one byte that shows there is more; never reallocated.
        let room = MAX_PASSWORD_BYTES + 3;
        let mut bytes = Zeroizing::new(vec![0; room]);
        let mut file = File::open(path).map_err(&failed)?;
        let mut filled = 0;
        while filled < room {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let text = &bytes[..filled];
        let text = text
            .strip_suffix(b"\n")
            .map_or(text, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let end = text.len();
        bytes.truncate(end);
        Self::new(bytes)
    }
}

fn typed(prompt: &str) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let text = rpassword::prompt_password(prompt).map_err(PasswordError::DeviceTerminal)?;
    Ok(Zeroizing::new(text.into_bytes()))
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::fd::AsRawFd};

    fn from_file(text: &[u8]) -> Result<Vec<u8>, PasswordError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let source = PasswordSource::File(file.path().to_owned());
        Password::read(&source, "").map(|password| password.as_bytes().to_vec())
    }

    #[test]
    fn strips_one_line_end_and_nothing_else() {
        assert_eq!(from_file(b"pass word\n").unwrap(), b"pass word");
        assert_eq!(from_file(b"pass word\r\n").unwrap(), b"pass word");
        assert_eq!(from_file(b" pass\n\n").unwrap(), b" pass\n");
        assert_eq!(from_file(b"pass").unwrap(), b"pass");
    }

    #[test]
    fn refuses_empty_and_endless_passwords() {
        assert!(matches!(from_file(b"\n"), Err(PasswordError::ConfigEmpty)));
        assert_eq!(
            from_file(&[b'x'; MAX_PASSWORD_BYTES]).unwrap().len(),
            MAX_PASSWORD_BYTES
        );
        let mut longest = vec![b'x'; MAX_PASSWORD_BYTES];
        longest.extend_from_slice(b"\r\n");
        assert_eq!(from_file(&longest).unwrap().len(), MAX_PASSWORD_BYTES);
        assert!(matches!(
            from_file(&[b'x'; MAX_PASSWORD_BYTES + 1]),
            Err(PasswordError::ConfigTooLong)
        ));
        let endless = PasswordSource::File("/dev/zero".into());
        assert!(matches!(
            Password::read(&endless, ""),
            Err(PasswordError::ConfigTooLong)
        ));
    }

    #[test]
    fn reads_a_pipe_by_its_descriptor() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"from a pipe\n").unwrap();
        drop(writer);
        let source = PasswordSource::Fd(reader.as_raw_fd());
        assert_eq!(Password::read(&source, "").unwrap().as_bytes(), b"from a pipe");
        assert!(matches!(
            Password::read(&PasswordSource::Fd(-1), ""),
            Err(PasswordError::ConfigDescriptor { fd: -1, .. })
        ));
    }

    #[test]
    fn debug_hides_the_password() {
        let password = Password::new(Zeroizing::new(b"hunter2".to_vec())).unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
