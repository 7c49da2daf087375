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

/// One bit of a byte changes.
pub(crate) const FLIP: u64 = 1;
/// A byte is lost.
pub(crate) const LOSE: u64 = 2;
/// A byte comes twice.
pub(crate) const REPEAT: u64 = 4;
/// Up to 401 bytes in a row are lost.
pub(crate) const LOSE_RUN: u64 = 8;
/// Up to 401 bytes come twice, one run behind the other.
pub(crate) const REPEAT_RUN: u64 = 16;
/// Up to 401 bytes come that nobody sent.
pub(crate) const GARBAGE: u64 = 32;
const ALL: [u64; 6] = [FLIP, LOSE, REPEAT, LOSE_RUN, REPEAT_RUN, GARBAGE];
/// Where the kinds begin in the number that says what the cable does.
const KIND_SHIFT: u32 = 48;

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
    /// One fault in so many bytes, 0 for none, and above [`KIND_SHIFT`] which faults.
    noise: Arc<AtomicU64>,
    plugged: Option<(JoinHandle<[Terminal; 2]>, Arc<OwnedFd>)>,
    /// The terminals of a cable that carries nothing.
    hanging: Option<[Terminal; 2]>,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let mut cable = Self {
            folder: tempfile::tempdir().unwrap(),
            noise: Arc::new(AtomicU64::new(0)),
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
        self.disturb(FLIP | LOSE | REPEAT, one_in);
    }

    /// From now on one of the faults in `kinds` comes about every `one_in` bytes; 0 for none.
    pub(crate) fn disturb(&self, kinds: u64, one_in: u64) {
        let noise = if one_in == 0 {
            0
        } else {
            kinds << KIND_SHIFT | one_in
        };
        self.noise.store(noise, Ordering::Relaxed);
    }

    /// Plugs it in; a cable that hangs carries on, and one that works goes on working.
    pub(crate) fn plug(&mut self) {
        if self.plugged.is_some() {
            return;
        }
        let ends = self.hanging.take().unwrap_or_else(|| self.terminals());
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let (heard, noise) = (Arc::clone(&stop), Arc::clone(&self.noise));
        let pump = thread::spawn(move || {
            pump(&ends, &heard, &noise);
            ends
        });
        self.plugged = Some((pump, stop));
    }

    /// Two new terminals, at the paths of the ends.
    fn terminals(&self) -> [Terminal; 2] {
        let ends = [Terminal::new(), Terminal::new()];
        for (end, name) in ends.iter().zip(["box", "device"]) {
            let fresh = self.folder.path().join("fresh");
            symlink(&end.name, &fresh).unwrap();
            fs::rename(fresh, self.end(name)).unwrap();
        }
        ends
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
fn pump(ends: &[Terminal; 2], stop: &OwnedFd, noise: &AtomicU64) {
    // What is on its way out of each end.
    let mut pending = [Vec::new(), Vec::new()];
    let (mut buffer, mut line) = (vec![0; 64 * 1024], [Line::new(1), Line::new(2)]);
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
                    Ok(len) => {
                        line[to].carry(&buffer[..len], noise.load(Ordering::Relaxed), &mut pending[to]);
                    }
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

/// One way of the cable.
struct Line {
    dice: u64,
    /// Bytes still to be lost of a run.
    losing: u64,
}

impl Line {
    fn new(dice: u64) -> Self {
        Self { dice, losing: 0 }
    }

    fn roll(&mut self) -> u64 {
        // A linear congruential generator (Knuth's MMIX): its high bits are random enough for faults.
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }

    fn carry(&mut self, bytes: &[u8], noise: u64, out: &mut Vec<u8>) {
        let (kinds, one_in) = (noise >> KIND_SHIFT, noise & ((1 << KIND_SHIFT) - 1));
        if one_in == 0 {
            self.losing = 0;
            out.extend_from_slice(bytes);
            return;
        }
        for (at, &byte) in bytes.iter().enumerate() {
            if self.losing > 0 {
                self.losing -= 1;
            } else if self.roll().is_multiple_of(one_in) {
                self.fault(kinds, &bytes[..=at], out);
            } else {
                out.push(byte);
            }
        }
    }

    /// Brings about one of the faults in `kinds` at the last of the bytes `until` it.
    fn fault(&mut self, kinds: u64, until: &[u8], out: &mut Vec<u8>) {
        let byte = until[until.len() - 1];
        let chosen: Vec<u64> = ALL.into_iter().filter(|kind| kinds & kind != 0).collect();
        let pick = usize::try_from(self.roll()).unwrap() % chosen.len();
        let run = 2 + self.roll() % 400;
        match chosen[pick] {
            LOSE => {}
            REPEAT => out.extend([byte, byte]),
            LOSE_RUN => self.losing = run,
            REPEAT_RUN => {
                out.push(byte);
                let run = usize::try_from(run).unwrap().min(until.len());
                out.extend_from_slice(&until[until.len() - run..]);
            }
            GARBAGE => {
                out.push(byte);
                for _ in 0..run {
                    out.push(self.roll().to_le_bytes()[0]);
                }
            }
            _ => out.push(byte ^ (1 << (self.roll() % 8))),
        }
    }
}
