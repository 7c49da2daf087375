//! A program in the background: its own process group, its output in a file, its end guaranteed.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{HarnessError, wait_until};

/// How long a program may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Ends its program when the parent dies; part of every Debian.
const DEATH_SIGNAL_TOOL: &str = "/usr/bin/setpriv";

/// A running program that does not outlive this value.
#[derive(Debug)]
pub struct Managed {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Managed {
    /// Starts `command` with its output appended to `log`.
    ///
    /// # Errors
    /// [`HarnessError`] when it cannot be started.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self, HarnessError> {
        let open = || File::options().create(true).append(true).open(log);
        let io = |source| HarnessError::DeviceIo {
            path: log.to_owned(),
            source,
        };
        let (out, err) = (open().map_err(io)?, open().map_err(io)?);
        Self::start_with(name, command, out.into(), err.into(), log)
    }

    /// Starts `command` with its output where the caller wants it; `log` is what errors quote.
    ///
    /// # Errors
    /// [`HarnessError`] when it cannot be started.
    pub fn start_with(
        name: &str,
        command: &Command,
        out: Stdio,
        err: Stdio,
        log: &Path,
    ) -> Result<Self, HarnessError> {
        let child = tied_to_us(command)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| HarnessError::DeviceStart {
                program: name.to_owned(),
                source,
            })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Process id, also of the process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the program has ended.
    ///
    /// # Errors
    /// [`HarnessError::ProgramFailed`] with the end of its log.
    pub fn check_running(&mut self) -> Result<(), HarnessError> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(HarnessError::ProgramFailed {
                program: self.name.clone(),
                code: status.code(),
                output: self.log_tail(30),
            }),
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, HarnessError> {
        let program = self.name.clone();
        self.child
            .try_wait()
            .map_err(|source| HarnessError::DeviceStart { program, source })
    }

    /// The last `lines` lines of its output.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// All its output so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A group that is gone already is what we want.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Asks the program to end, waits, and ends what is left of its group.
    pub fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            // The interrupt that made us stop must not cut this wait short, so it is not asked here.
            for _ in 0..STOP_LIMIT.as_millis() / 20 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.kill();
    }

    /// Ends the whole group at once, as a power cut would.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for the program to end by itself.
    ///
    /// # Errors
    /// [`HarnessError::TimedOut`] or [`HarnessError::Interrupted`].
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, HarnessError> {
        let what = format!("the end of {}", self.name);
        wait_until(&what, limit, || self.ended())
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The same command, ended by the kernel when we die.
pub(crate) fn tied_to_us(command: &Command) -> Command {
    if !Path::new(DEATH_SIGNAL_TOOL).is_file() {
        return copy_of(command, command.get_program(), &[]);
    }
    let program = command.get_program().to_owned();
    copy_of(
        command,
        DEATH_SIGNAL_TOOL.as_ref(),
        &["--pdeathsig".as_ref(), "KILL".as_ref(), "--".as_ref(), &program],
    )
}

fn copy_of(command: &Command, program: &std::ffi::OsStr, before: &[&std::ffi::OsStr]) -> Command {
    let mut copy = Command::new(program);
    copy.args(before).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

/// The last `lines` lines of a file, for error messages.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let from = text.lines().count().saturating_sub(lines);
    text.lines()
        .skip(from)
        .fold(String::new(), |all, line| all + "    " + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn dropping_ends_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let managed = Managed::start("sh", &shell("sleep 1000 & echo $!; wait"), &log).unwrap();
        let grandchild = wait_until("the first line", Duration::from_secs(5), || {
            Ok(managed.log().trim().parse::<i32>().ok())
        })
        .unwrap();
        drop(managed);
        let gone = || {
            let state = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            Ok((state.is_empty() || state.contains(") Z ")).then_some(()))
        };
        wait_until("the grandchild's end", Duration::from_secs(5), gone).unwrap();
    }

    #[test]
    fn a_program_that_ended_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut managed = Managed::start(
            "sh",
            &shell("echo broken pipe; exit 3"),
            &folder.path().join("log"),
        )
        .unwrap();
        assert_eq!(managed.wait(Duration::from_secs(5)).unwrap().code(), Some(3));
        let error = managed.check_running().unwrap_err().to_string();
        assert!(error.contains("broken pipe") && error.contains('3'), "{error}");
    }
}
