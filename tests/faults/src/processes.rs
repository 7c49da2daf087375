//! Processes of one site, found in /proc and killed by their ids.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

/// A running process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// File name of its program.
    pub(crate) program: String,
    /// Its process group.
    group: u32,
}

impl Process {
    /// Ends it at once.
    pub(crate) fn kill(&self) {
        // One that is gone already is what we want.
        let _ = kill_process(self.pid, Signal::KILL);
    }
}

/// Living processes that were started in `folder`, which nothing but its site uses.
pub(crate) fn of_site(folder: &Path) -> Vec<Process> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| look(&entry.path(), &folder)).collect()
}

/// Those of them in a process group.
pub(crate) fn of_group(folder: &Path, group: u32) -> Vec<Process> {
    let mut processes = of_site(folder);
    processes.retain(|process| process.group == group);
    processes
}

fn look(entry: &Path, folder: &PathBuf) -> Option<Process> {
    let pid: i32 = entry.file_name()?.to_str()?.parse().ok()?;
    if fs::read_link(entry.join("cwd")).ok()? != *folder {
        return None;
    }
    let line = fs::read(entry.join("cmdline")).ok()?;
    let program = String::from_utf8_lossy(line.split(|&byte| byte == 0).next()?).into_owned();
    let stat = fs::read_to_string(entry.join("stat")).ok()?;
    // Behind the name in brackets: state, parent, group.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    Some(Process {
        pid: Pid::from_raw(pid)?,
        program: program.rsplit('/').next()?.to_owned(),
        group,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt as _,
        process::{Command, Stdio},
        time::Duration,
    };

    use obscura_system_tests::wait_until;

    use super::*;

    #[test]
    fn a_process_is_found_by_its_folder_and_group_and_ends_when_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/bin/sleep")
            .arg("1000")
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // For a moment a program that was just started has no command line yet.
        let process = wait_until("the program", Duration::from_secs(20), || {
            let found = of_group(folder.path(), child.id());
            Ok(found.into_iter().find(|process| process.program == "sleep"))
        });
        process.unwrap().kill();
        assert!(!child.wait().unwrap().success());
        assert!(of_site(folder.path()).is_empty());
    }
}
