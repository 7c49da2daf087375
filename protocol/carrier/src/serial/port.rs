//! A serial port: found, opened for one owner, raw, never blocking.
//!
//! The descriptor does not block, so one thread serves it together with its other work, and a line that
//! takes nothing never holds that thread. (The `serialport` crate opens blocking descriptors, whose writes
//! wait without a limit once a poll let them start.)
//!
//! Failure model: every operation says what the operating system says; a port that is unplugged fails all.

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
    termios::{ControlModes, OptionalActions, QueueSelector},
};

/// Where Linux lists its terminals.
const TERMINALS: &str = "/sys/class/tty";
/// How far above its terminal a USB device is in that tree: terminal, port, interface, device.
const USB_DEPTH: usize = 4;

/// Which serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortName {
    /// The device file.
    Path(PathBuf),
    /// The USB device with this serial number, wherever it is plugged in.
    UsbSerialNumber(String),
}

impl PortName {
    fn path(&self) -> io::Result<PathBuf> {
        match self {
            Self::Path(path) => Ok(path.clone()),
            Self::UsbSerialNumber(number) => find(Path::new(TERMINALS), number),
        }
    }
}

/// The device file of the one terminal whose USB device has this serial number.
fn find(terminals: &Path, number: &str) -> io::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(terminals)? {
        let name = entry?.file_name();
        // Terminals without a device behind them have no such link.
        let Ok(device) = fs::canonicalize(terminals.join(&name).join("device")) else {
            continue;
        };
        let usb = device.ancestors().take(USB_DEPTH);
        let mut usb = usb.filter(|folder| folder.join("idVendor").is_file());
        let is_it = usb.next().is_some_and(|folder| {
            fs::read_to_string(folder.join("serial")).is_ok_and(|text| text.trim_end() == number)
        });
        if is_it {
            found.push(Path::new("/dev").join(name));
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (None, _) => Err(io::ErrorKind::NotFound.into()),
        // One of several ports of an adapter would be a guess.
        (Some(_), false) => Err(io::Error::from(Errno::NOTUNIQ)),
    }
}

/// An open port.
#[derive(Debug)]
pub(super) struct Port(OwnedFd);

impl Port {
    /// Opens the port: 8 data bits, no parity, 1 stop bit, `baud`, nobody else may open it, and nothing that
    /// was said before is left in it.
    pub(super) fn open(name: &PortName, baud: u32) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(name.path()?, flags, Mode::empty())?;
        let mut settings = rustix::termios::tcgetattr(&port)?;
        rustix::fs::flock(&port, FlockOperation::NonBlockingLockExclusive)?;
        rustix::termios::ioctl_tiocexcl(&port)?;
        // From here on dropping it frees the port again.
        let port = Self(port);
        settings.make_raw();
        settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        settings.control_modes -= ControlModes::CSTOPB | ControlModes::CRTSCTS;
        settings.set_speed(baud)?;
        rustix::termios::tcsetattr(&port.0, OptionalActions::Now, &settings)?;
        rustix::termios::tcflush(&port.0, QueueSelector::IOFlush)?;
        Ok(port)
    }

    /// Reads what is there; 0 when nothing is.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.0, into) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => Ok(len),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the beginning of `bytes`, as much as the line takes now; possibly nothing.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.0, bytes) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            written => Ok(written?),
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The mark belongs to the terminal, which may outlive this descriptor; a port that is gone has none.
        let _ = rustix::termios::ioctl_tiocnxcl(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A terminal as the kernel lists it, behind a USB device with `serial`.
    fn plug(root: &Path, name: &str, serial: Option<&str>) {
        let device = root.join("devices").join(format!("usb-of-{name}"));
        let terminal = device.join("interface").join(name).join("tty").join(name);
        fs::create_dir_all(&terminal).unwrap();
        fs::write(device.join("idVendor"), "0403\n").unwrap();
        if let Some(serial) = serial {
            fs::write(device.join("serial"), format!("{serial}\n")).unwrap();
        }
        symlink(device.join("interface").join(name), terminal.join("device")).unwrap();
        fs::create_dir_all(root.join("class")).unwrap();
        symlink(&terminal, root.join("class").join(name)).unwrap();
    }

    #[test]
    fn finds_the_one_device_with_the_serial_number_wherever_it_is_plugged_in() {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), "ttyUSB0", Some("FT1A"));
        plug(root.path(), "ttyUSB7", Some("FT2B"));
        plug(root.path(), "ttyACM0", None);
        fs::create_dir_all(root.path().join("class/console")).unwrap();
        let class = root.path().join("class");
        assert_eq!(find(&class, "FT2B").unwrap(), Path::new("/dev/ttyUSB7"));
        assert_eq!(find(&class, "FT2").unwrap_err().kind(), io::ErrorKind::NotFound);
        plug(root.path(), "ttyUSB8", Some("FT2B"));
        let error = find(&class, "FT2B").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOTUNIQ.raw_os_error()));
    }

    #[test]
    fn a_file_is_no_port() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = PortName::Path(file.path().to_owned());
        let error = Port::open(&name, 115_200).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOTTY.raw_os_error()));
    }
}
