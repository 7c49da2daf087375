//! A null-modem cable between two pseudo-terminals, with faults, for the serial carrier's tests.
#![expect(clippy::unwrap_used, reason = "a broken test environment must fail loudly")]

use std::{
    fs,
    os::{fd::OwnedFd, unix::fs::symlink},
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

/// One pseudo-terminal: the side a carrier opens by its name, and the side the cable holds.
struct Terminal {
    master: OwnedFd,
    name: String,
    /// Held open, so that the terminal lives on while no carrier has it.
    _slave: OwnedFd,
}

impl Terminal {
    fn new() -> Self {
        let none = "these tests need pseudo-terminals: mount devpts at /dev/pts";
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect(none);
        grantpt(&master).expect(none);
        unlockpt(&master).expect(none);
        let name = ptsname(&master, Vec::new()).expect(none).into_string().unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, Mode::empty()).expect(none);
        // A terminal that is not raw would send what it gets back.
        let mut settings = tcgetattr(&slave).unwrap();
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        Self {
            master,
            name,
            _slave: slave,
        }
    }
}

/// A cable between a box and a device, with its ends at fixed paths.
pub(crate) struct Cable {
    folder: tempfile::TempDir,
    /// One damaged byte in so many; 0 for none.
    damage_one_in: Arc<AtomicU64>,
    plugged: Option<(JoinHandle<[Terminal; 2]>, Arc<OwnedFd>)>,
    /// The terminals of a cable that carries nothing.
    hanging: Option<[Terminal; 2]>,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let mut cable = Self {
            folder: tempfile::tempdir().unwrap(),
            damage_one_in: Arc::new(AtomicU64::new(0)),
            plugged: None,
            hanging: None,
        };
        cable.plug();
        cable
    }

    /// The path of one end: `box` or `device`.
    pub(crate) fn end(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on one byte in `one_in` is changed, lost or repeated; 0 for none.
    pub(crate) fn damage(&self, one_in: u64) {
        self.damage_one_in.store(one_in, Ordering::Relaxed);
    }

    pub(crate) fn plug(&mut self) {
        let ends = [Terminal::new(), Terminal::new()];
        for (end, name) in ends.iter().zip(["box", "device"]) {
            let fresh = self.folder.path().join("fresh");
            symlink(&end.name, &fresh).unwrap();
            fs::rename(fresh, self.end(name)).unwrap();
        }
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let (heard, rate) = (Arc::clone(&stop), Arc::clone(&self.damage_one_in));
        let pump = thread::spawn(move || {
            pump(&ends, &heard, &rate);
            ends
        });
        self.plugged = Some((pump, stop));
    }

    /// From now on it carries nothing and takes nothing, and both terminals are still there.
    pub(crate) fn hang(&mut self) {
        if let Some((pump, stop)) = self.plugged.take() {
            rustix::io::write(&*stop, &1_u64.to_ne_bytes()).unwrap();
            self.hanging = Some(pump.join().unwrap());
        }
    }

    /// Pulls the cable: both terminals are gone.
    pub(crate) fn unplug(&mut self) {
        self.hang();
        if self.hanging.take().is_some() {
            for name in ["box", "device"] {
                fs::remove_file(self.end(name)).unwrap();
            }
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.unplug();
    }
}

/// Carries bytes both ways until told to stop.
fn pump(ends: &[Terminal; 2], stop: &OwnedFd, rate: &AtomicU64) {
    // What is on its way out of each end.
    let mut pending = [Vec::new(), Vec::new()];
    let (mut buffer, mut dice) = (vec![0; 64 * 1024], 1_u64);
    loop {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        for (end, out) in ends.iter().zip(&pending) {
            let mut events = PollFlags::empty();
            events.set(PollFlags::OUT, !out.is_empty());
            fds.push(PollFd::new(&end.master, events));
        }
        // An end is read when the other has taken what came before: as a wire does, it holds little.
        for (end, out) in ends.iter().zip(pending.iter().rev()) {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, out.is_empty());
            fds.push(PollFd::new(&end.master, events));
        }
        poll(&mut fds, None).unwrap();
        if !fds[0].revents().is_empty() {
            return;
        }
        for from in 0..2 {
            let to = 1 - from;
            if pending[to].is_empty() {
                match rustix::io::read(&ends[from].master, &mut buffer) {
                    Ok(len) => carry(
                        &buffer[..len],
                        rate.load(Ordering::Relaxed),
                        &mut dice,
                        &mut pending[to],
                    ),
                    Err(Errno::AGAIN) => {}
                    Err(error) => panic!("a held terminal fails: {error}"),
                }
            }
            match rustix::io::write(&ends[to].master, &pending[to]) {
                Ok(len) => drop(pending[to].drain(..len)),
                Err(Errno::AGAIN) => {}
                Err(error) => panic!("a held terminal fails: {error}"),
            }
        }
    }
}

fn carry(bytes: &[u8], one_in: u64, dice: &mut u64, out: &mut Vec<u8>) {
    if one_in == 0 {
        out.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        // A linear congruential generator (Knuth's MMIX): its high bits are random enough for faults.
        *dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = *dice >> 33;
        match (high % one_in, high % 4) {
            (0, 0) => {}
            (0, 1) => out.extend([byte, byte]),
            (0, bit) => out.push(byte ^ (1 << bit)),
            _ => out.push(byte),
        }
    }
}
