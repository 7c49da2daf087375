//! A null-modem cable between two pseudo-terminals that counts the bytes each way.

use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    fs::{Mode, OFlags},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use crate::error::BenchError;

/// One pseudo-terminal: the side a carrier opens by its name, and the side the cable holds.
struct Terminal {
    master: OwnedFd,
    name: PathBuf,
    /// Held open, so that the terminal lives on while no carrier has it.
    _slave: OwnedFd,
}

impl Terminal {
    fn new() -> Result<Self, BenchError> {
        let failed = BenchError::call("a pseudo-terminal");
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).map_err(&failed)?;
        grantpt(&master).map_err(&failed)?;
        unlockpt(&master).map_err(&failed)?;
        let name = ptsname(&master, Vec::new()).map_err(&failed)?;
        let name = PathBuf::from(name.to_string_lossy().into_owned());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, Mode::empty()).map_err(&failed)?;
        // A terminal that is not raw would send what it gets back.
        let mut settings = tcgetattr(&slave).map_err(&failed)?;
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings).map_err(&failed)?;
        rustix::io::ioctl_fionbio(&master, true).map_err(&failed)?;
        Ok(Self {
            master,
            name,
            _slave: slave,
        })
    }
}

/// A laid cable.
pub(crate) struct Cable {
    /// The port of the box.
    pub(crate) box_port: PathBuf,
    /// The port of the device.
    pub(crate) device_port: PathBuf,
    carried: Arc<[AtomicU64; 2]>,
    stop: Arc<OwnedFd>,
    pump: Option<JoinHandle<()>>,
}

impl Cable {
    pub(crate) fn lay() -> Result<Self, BenchError> {
        let ends = [Terminal::new()?, Terminal::new()?];
        let [box_port, device_port] = [0, 1].map(|end: usize| ends[end].name.clone());
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(BenchError::call("an event"))?);
        let carried = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let (heard, counts) = (Arc::clone(&stop), Arc::clone(&carried));
        let pump = thread::spawn(move || pump(&ends, &heard, &counts));
        Ok(Self {
            box_port,
            device_port,
            carried,
            stop,
            pump: Some(pump),
        })
    }

    /// Bytes the box has sent so far, and bytes the device has.
    pub(crate) fn carried(&self) -> (u64, u64) {
        let [down, up] = &*self.carried;
        (down.load(Ordering::Relaxed), up.load(Ordering::Relaxed))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // It fails only when it is full, and then the thread knows already.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(pump) = self.pump.take() {
            // A cable that broke has been noticed by whoever used it.
            let _ = pump.join();
        }
    }
}

/// Carries bytes both ways until told to stop, or until an end fails.
fn pump(ends: &[Terminal; 2], stop: &OwnedFd, carried: &[AtomicU64; 2]) {
    // What is on its way out of each end.
    let mut pending = [Vec::new(), Vec::new()];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        for end in 0..2 {
            // An end is read when the other has taken what came before: as a wire does, it holds little.
            let mut events = PollFlags::empty();
            events.set(PollFlags::OUT, !pending[end].is_empty());
            events.set(PollFlags::IN, pending[1 - end].is_empty());
            fds.push(PollFd::new(&ends[end].master, events));
        }
        if poll(&mut fds, None).is_err() || !fds[0].revents().is_empty() {
            return;
        }
        for from in 0..2 {
            let to = 1 - from;
            if pending[to].is_empty() {
                match rustix::io::read(&ends[from].master, &mut buffer) {
                    Ok(len) => {
                        pending[to].extend_from_slice(&buffer[..len]);
                        carried[from].fetch_add(len as u64, Ordering::Relaxed);
                    }
                    Err(Errno::AGAIN) => {}
                    Err(_) => return,
                }
            }
            match rustix::io::write(&ends[to].master, &pending[to]) {
                Ok(len) => drop(pending[to].drain(..len)),
                Err(Errno::AGAIN) => {}
                Err(_) => return,
            }
        }
    }
}
