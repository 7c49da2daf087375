//! Keeps processes alive, and ends them together.
//!
//! Each one holds the read end of a pipe as its standard input and ends when the pipe closes, so nothing
//! outlives the launcher, even one that was killed.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::restart::Restart;

/// How long a process may take to end when asked.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A process to keep alive.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Its name in the log.
    pub(crate) name: &'static str,
    /// Its program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
}

/// What the supervisor hears.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The process in this place ended.
    Ended(usize, io::Result<ExitStatus>),
    /// Everything is to end.
    Stop,
}

/// Why supervision ended with a failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuperviseError {
    #[error("{name} ({}) cannot be started", program.display())]
    DeviceStart {
        name: &'static str,
        program: PathBuf,
        source: io::Error,
    },
    #[error("{name} cannot work with this configuration; see its message above")]
    ConfigRefused { name: &'static str, code: u8 },
}

struct Living {
    stdin: ChildStdin,
    pid: Pid,
    since: Instant,
}

struct Place {
    role: Role,
    restart: Restart,
    living: Option<Living>,
    start_at: Option<Instant>,
}

/// Starts every role in order and keeps it alive until [`Notice::Stop`]. `permanent` are exit codes that a
/// restart cannot mend: they end everything.
pub(crate) fn supervise(
    roles: Vec<Role>,
    permanent: &[u8],
    own: &Sender<Notice>,
    notices: &mpsc::Receiver<Notice>,
) -> Result<(), SuperviseError> {
    let now = Instant::now();
    let mut places: Vec<Place> = roles
        .into_iter()
        .map(|role| Place {
            role,
            restart: Restart::default(),
            living: None,
            start_at: Some(now),
        })
        .collect();
    let outcome = keep_alive(&mut places, permanent, own, notices);
    end(&mut places, notices);
    outcome
}

fn keep_alive(
    places: &mut [Place],
    permanent: &[u8],
    own: &Sender<Notice>,
    notices: &mpsc::Receiver<Notice>,
) -> Result<(), SuperviseError> {
    loop {
        let now = Instant::now();
        for (index, place) in places.iter_mut().enumerate() {
            if place.start_at.is_some_and(|at| at <= now) {
                place.start(index, own)?;
            }
        }
        let next = places.iter().filter_map(|place| place.start_at).min();
        let wait = next.map_or(Duration::from_hours(1), |at| {
            at.saturating_duration_since(Instant::now())
        });
        match notices.recv_timeout(wait) {
            Ok(Notice::Ended(index, status)) => places[index].ended(&status, permanent)?,
            Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Ends the processes, the last started first: each may still need those before it.
fn end(places: &mut [Place], notices: &mpsc::Receiver<Notice>) {
    for index in (0..places.len()).rev() {
        let Some(Living { stdin, pid, .. }) = places[index].living.take() else {
            continue;
        };
        drop(stdin);
        let deadline = Instant::now() + END_PATIENCE;
        while !wait_ended(places, index, deadline, notices) {
            tracing::warn!(process = places[index].role.name, "does not end, killing it");
            // It may have ended just now, which is what we want.
            let _ = kill_process(pid, Signal::KILL);
            if wait_ended(places, index, Instant::now() + END_PATIENCE, notices) {
                break;
            }
        }
        tracing::info!(process = places[index].role.name, "ended");
    }
}

/// Waits until the process at `index` ended; others that end meanwhile are noted.
fn wait_ended(
    places: &mut [Place],
    index: usize,
    deadline: Instant,
    notices: &mpsc::Receiver<Notice>,
) -> bool {
    loop {
        match notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Notice::Ended(ended, _)) if ended == index => return true,
            Ok(Notice::Ended(ended, _)) => places[ended].living = None,
            Ok(Notice::Stop) => {}
            Err(_) => return false,
        }
    }
}

impl Place {
    fn start(&mut self, index: usize, own: &Sender<Notice>) -> Result<(), SuperviseError> {
        self.start_at = None;
        let failed = |source| SuperviseError::DeviceStart {
            name: self.role.name,
            program: self.role.program.clone(),
            source,
        };
        let mut child = Command::new(&self.role.program)
            .args(&self.role.arguments)
            .stdin(Stdio::piped())
            // A signal from the terminal is for the launcher alone, which ends the others in order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let taken = child
            .stdin
            .take()
            .zip(Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)));
        let Some((stdin, pid)) = taken else {
            return Err(failed(io::ErrorKind::Other.into()));
        };
        let own = own.clone();
        thread::Builder::new()
            .name(format!("wait-{}", self.role.name))
            .spawn(move || {
                // The supervisor is gone only when nobody needs to know.
                let _ = own.send(Notice::Ended(index, child.wait()));
            })
            .map_err(failed)?;
        tracing::info!(process = self.role.name, pid = pid.as_raw_nonzero(), "started");
        self.living = Some(Living {
            stdin,
            pid,
            since: Instant::now(),
        });
        Ok(())
    }

    fn ended(&mut self, status: &io::Result<ExitStatus>, permanent: &[u8]) -> Result<(), SuperviseError> {
        let lived = self
            .living
            .take()
            .map_or(Duration::ZERO, |living| living.since.elapsed());
        let code = status.as_ref().ok().and_then(ExitStatus::code);
        if let Some(code) = code.and_then(|code| u8::try_from(code).ok())
            && permanent.contains(&code)
        {
            return Err(SuperviseError::ConfigRefused {
                name: self.role.name,
                code,
            });
        }
        let pause = self.restart.pause(lived);
        tracing::error!(
            process = self.role.name,
            ?status,
            restart_in_ms = pause.as_millis(),
            "ended unexpectedly"
        );
        self.start_at = Some(Instant::now() + pause);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &'static str, script: &str) -> Role {
        Role {
            name,
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
        }
    }

    #[test]
    fn restarts_a_process_that_died_and_ends_all_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let path = log.display();
        let (own, notices) = mpsc::channel();
        let stop = own.clone();
        let lines = log.clone();
        let watcher = thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(20);
            let count = || {
                std::fs::read_to_string(&lines)
                    .unwrap_or_default()
                    .matches("dies")
                    .count()
            };
            while count() < 2 {
                assert!(Instant::now() < deadline, "the process was not restarted");
                thread::yield_now();
            }
            stop.send(Notice::Stop).unwrap();
        });
        let roles = vec![
            shell(
                "first",
                &format!("while read line; do :; done; echo first >> {path}"),
            ),
            shell("second", &format!("echo dies >> {path}; exit 1")),
            shell(
                "third",
                &format!("while read line; do :; done; echo third >> {path}"),
            ),
        ];
        supervise(roles, &[2], &own, &notices).unwrap();
        watcher.join().unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        let ends: Vec<_> = text.lines().filter(|line| *line != "dies").collect();
        assert_eq!(ends, ["third", "first"]);
    }

    #[test]
    fn a_refused_configuration_ends_everything_with_its_code() {
        let (own, notices) = mpsc::channel();
        let roles = vec![
            shell("good", "while read line; do :; done"),
            shell("bad", "exit 5"),
        ];
        assert!(matches!(
            supervise(roles, &[2, 5], &own, &notices),
            Err(SuperviseError::ConfigRefused { name: "bad", code: 5 })
        ));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let (own, notices) = mpsc::channel();
        let role = Role {
            name: "gate",
            program: PathBuf::from("/nonexistent/program"),
            arguments: Vec::new(),
        };
        let error = supervise(vec![role], &[], &own, &notices).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/program"));
    }
}
