//! `test`: the whole gate, the same here and in continuous integration.
//!
//! Ends with the test runner's own summary; what comes after it is silent unless it fails.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use obscura_system_tests::repository;

use crate::{
    error::TaskError,
    run::{cargo, command, read, run, target, works},
    tools::{self, Debian},
    train,
    ui::{Steps, say},
};

/// Where cargo-deny 0.20 looks for the RustSec database, under the `db-path` of deny.toml.
const ADVISORY_FOLDER: &str = "deny/dbs/advisory-db-3157b0e258782691";
/// The dated copy of the database, beside the checkout.
const ADVISORY_COPY: &str = "../shared/advisory-db";
/// Its own build of tfhe, with features nothing else needs, would double the gate's time.
const NOT_RIVAL: [&str; 3] = ["--workspace", "--exclude", "obscura-bench-integers"];

/// Runs the gate.
///
/// # Errors
/// [`TaskError`] of the first check that fails.
pub(crate) fn test() -> Result<(), TaskError> {
    let before = tree()?;
    let mut steps = Steps::new(10);
    steps.next("tools", "what the checks below need");
    tools::debian(&[Debian::Mosquitto, Debian::MosquittoClients, Debian::Cxx])?;
    let deny = tools::cargo_deny()?;
    tools::training_python()?;
    steps.next("formatting", "cargo fmt");
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    steps.next(
        "dependencies",
        "licences, bans, sources and known vulnerabilities of everything we link",
    );
    dependencies(&deny)?;
    steps.next("training", "unit tests, and the whole pipeline on made-up people");
    train::test()?;
    steps.next("lints", "clippy with warnings denied");
    lints()?;
    steps.next("documentation", "rustdoc with warnings denied");
    let doc = ["doc", "--locked", "--quiet", "--no-deps"];
    run(cargo(&doc).args(NOT_RIVAL).env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.next("no_std", "the protocol links without an operating system");
    run(cargo(&["build", "--locked", "--quiet"]).current_dir(repository().join("tests/no-std-probe")))?;
    steps.next("fuzzing", "a short run over every decoder");
    run(command("bash")
        .arg("tests/fuzz/run.sh")
        .env("CARGO_TARGET_DIR", target("fuzz")?))?;
    steps.next("build", "the programs that the whole-system tests start");
    run(cargo(&["build", "--locked", "--bins"]).args(NOT_RIVAL))?;
    steps.end();
    say(&format!(
        "      everything so far: {:.1} minutes",
        steps.total_s() / 60.0
    ));
    steps.next(
        "tests",
        "unit, property, architecture and whole-system tests, with a real broker",
    );
    tests()?;
    steps.finish();
    let now = tree()?;
    if now != before {
        return Err(TaskError::TreeChanged { changes: now });
    }
    report(&steps)
}

/// What `git status` says; the same before and after.
fn tree() -> Result<String, TaskError> {
    if !works(command("git").args(["rev-parse", "--git-dir"])) {
        say("This is not a git checkout: whether the tests leave the tree as it was is not checked.");
        return Ok(String::new());
    }
    read(command("git").args(["status", "--porcelain", "--untracked-files=all"]))
}

fn lints() -> Result<(), TaskError> {
    let clippy = ["clippy", "--locked", "--quiet", "--all-targets"];
    run(cargo(&clippy).args(NOT_RIVAL).args(["--", "-D", "warnings"]))?;
    run(cargo(&clippy).args(["-p", "obscura-bench-integers", "--", "-D", "warnings"]))
}

fn tests() -> Result<(), TaskError> {
    if works(&mut cargo(&["nextest", "--version"])) {
        // What nextest does not run; before it, so that its summary comes last.
        run(cargo(&["test", "--locked", "--quiet", "--doc"]).args(NOT_RIVAL))?;
        run(cargo(&["nextest", "run", "--locked", "--no-fail-fast"]).args(NOT_RIVAL))
    } else {
        run(cargo(&["test", "--locked", "--no-fail-fast"]).args(NOT_RIVAL))
    }
}

fn dependencies(deny: &Path) -> Result<(), TaskError> {
    // The check itself is offline, and looks at crates for every platform, built here or not.
    run(&mut cargo(&["fetch", "--locked", "--quiet"]))?;
    let mut check = command(&deny.to_string_lossy());
    check.args(["--offline", "--locked", "check"]);
    let copy = repository().join(ADVISORY_COPY);
    if copy.join("crates").is_dir() {
        let place = target(ADVISORY_FOLDER)?;
        refresh(&copy, &place).map_err(|source| TaskError::Io {
            path: place.clone(),
            source,
        })?;
        say(&format!("      advisories: {}", age(&place)));
        check.arg("all");
    } else {
        say(&format!(
            "      advisories: NOT checked, there is no copy of the RustSec database at {ADVISORY_COPY}"
        ));
        check.args(["bans", "licenses", "sources"]);
    }
    run(&mut check)
}

/// Copies the database to where cargo-deny looks, and marks it as fetched.
fn refresh(copy: &Path, place: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    copy_folder(copy, place)?;
    fs::create_dir_all(place.join(".git"))?;
    fs::write(place.join(".git/FETCH_HEAD"), "")
}

/// Copies contents only: the source may be read-only, the copy must not be.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &place)?;
        } else {
            fs::write(place, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// The newest date any advisory carries, and how long ago that was.
fn age(database: &Path) -> String {
    let mut newest = String::new();
    visit(database, &mut |text| {
        let dates = text
            .lines()
            .filter_map(|line| line.strip_prefix("date = \"")?.strip_suffix('"'));
        if let Some(date) = dates.max().filter(|date| *date > newest.as_str()) {
            date.clone_into(&mut newest);
        }
    });
    match days_since_epoch(&newest) {
        Some(then) => {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO);
            let days = (now.as_secs() / 86_400).saturating_sub(then);
            format!("the newest in this copy of the RustSec database is of {newest}, {days} days ago")
        }
        None => "the copy of the RustSec database carries no date".to_owned(),
    }
}

fn visit(folder: &Path, each: &mut dyn FnMut(&str)) {
    for path in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        if path.is_dir() {
            visit(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            each(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

/// Days from 1970-01-01 to `date` (year-month-day), by the civil calendar.
fn days_since_epoch(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // March is the first month, so that the leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Some(days - 719_468)
}

/// Keeps the durations for whoever wants them, silently.
fn report(steps: &Steps) -> Result<(), TaskError> {
    let path = target("reports/gate.json")?;
    let mut report: serde_json::Map<String, serde_json::Value> = steps
        .times()
        .iter()
        .map(|(title, seconds)| {
            (
                format!("{title}_s"),
                serde_json::Value::from((seconds * 10.0).round() / 10.0),
            )
        })
        .collect();
    report.insert(
        "total_s".to_owned(),
        ((steps.total_s() * 10.0).round() / 10.0).into(),
    );
    let text = serde_json::Value::Object(report).to_string() + "\n";
    fs::write(&path, text).map_err(|source| TaskError::Io { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_calendar() {
        assert_eq!(days_since_epoch("1970-01-01"), Some(0));
        assert_eq!(days_since_epoch("2000-03-01"), Some(11_017));
        assert_eq!(days_since_epoch("2026-08-20"), Some(20_685));
        assert_eq!(days_since_epoch("2026-13-20"), None);
        assert_eq!(days_since_epoch(""), None);
    }

    #[test]
    fn a_copied_database_can_be_copied_again() {
        let folder = std::env::temp_dir().join(format!("xtask-gate-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(from.join("crates/x")).unwrap();
        fs::write(from.join("crates/x/one.md"), "date = \"2026-01-02\"\n").unwrap();
        refresh(&from, &to).unwrap();
        refresh(&from, &to).unwrap();
        assert!(age(&to).contains("2026-01-02"));
        assert!(to.join(".git/FETCH_HEAD").is_file());
        fs::remove_dir_all(folder).unwrap();
    }
}
