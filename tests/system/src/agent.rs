//! Runs of `obscura-agent` and the reports it prints.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{HarnessError, Managed, Site};

/// Longest run of the agent; a record takes milliseconds, keys take seconds, an image up to minutes.
const RUN_LIMIT: Duration = Duration::from_mins(10);

/// What the agent's `--json` says of a run; absent numbers mean that the step did not happen.
#[derive(Clone, Debug, Deserialize)]
pub struct AgentReport {
    /// One entry per record, in the order given.
    #[serde(default)]
    pub records: Vec<RecordReport>,
    /// One entry per image, in the order given.
    #[serde(default)]
    pub images: Vec<ImageReport>,
    /// Whether keys were made in this run.
    pub keys_generated: bool,
    /// Whether the box had them from before.
    pub keys_reused: bool,
    /// Size of the evaluation keys.
    pub eval_key_bytes: u64,
    /// Time of making keys.
    pub keygen_ms: Option<f64>,
    /// Bytes uploaded.
    pub upload_bytes: u64,
    /// Time of the upload.
    pub upload_ms: f64,
    /// Time of validating and encrypting.
    pub encrypt_ms: f64,
    /// Encrypted records.
    pub request_bytes: u64,
    /// Time of waiting for answers.
    pub wait_ms: f64,
    /// Encrypted answers.
    pub answer_bytes: u64,
    /// Time of verifying receipts and decrypting.
    pub accept_ms: f64,
    /// The whole run.
    pub total_ms: f64,
    /// Why the run failed.
    pub error: Option<String>,
}

/// One record of a run with `--with-reference`.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordReport {
    /// The record's name.
    pub name: String,
    /// `answered`, `open` or `failed`.
    pub state: String,
    /// Whether the score reaches the threshold.
    pub positive: Option<bool>,
    /// The calibrated probability.
    pub probability_percent: Option<f64>,
    /// The same for the score minus the table error.
    pub probability_low_percent: Option<f64>,
    /// The same for the score plus the table error.
    pub probability_high_percent: Option<f64>,
    /// The decision's label.
    pub decision: Option<String>,
    /// The decision in words.
    pub decision_text: Option<String>,
    /// The intended-use warning.
    pub warning: Option<String>,
    /// The decrypted score.
    pub score: Option<i64>,
    /// What the model says in the clear.
    pub reference_probability_percent: Option<f64>,
    /// The decision in the clear.
    pub reference_positive: Option<bool>,
    /// Whether both scores are the same.
    pub score_equals_reference: Option<bool>,
    /// Whether the probability lies within the stated table error.
    pub probability_within_bounds: Option<bool>,
    /// Box that signed the receipt.
    pub receipt_box: Option<String>,
}

impl RecordReport {
    /// Whether the encrypted result is what the model says in the clear, within its stated error.
    pub fn agrees(&self) -> bool {
        self.score_equals_reference == Some(true)
            && self.probability_within_bounds == Some(true)
            && self.positive.is_some()
            && self.positive == self.reference_positive
    }
}

/// One image of a run with `--with-reference`.
#[derive(Clone, Debug, Deserialize)]
pub struct ImageReport {
    /// The image's name.
    pub name: String,
    /// `answered`, `open` or `failed`.
    pub state: String,
    /// Patches.
    pub items: u32,
    /// Why there is no result.
    pub error: Option<String>,
    /// The class found.
    pub class: Option<String>,
    /// What that class means.
    pub class_text: Option<String>,
    /// The probability of every class.
    #[serde(default)]
    pub class_percent: BTreeMap<String, f64>,
    /// Patches of a row.
    #[serde(default)]
    pub patch_rows: usize,
    /// The picture of the result.
    pub picture: Option<PathBuf>,
    /// The intended-use warning.
    pub warning: Option<String>,
    /// The class of each patch.
    #[serde(default)]
    pub patch_class: Vec<String>,
    /// Receipts that were checked.
    pub receipts: Option<u32>,
    /// Job of the receipts.
    pub receipt_job: Option<String>,
    /// The class the model finds in the clear.
    pub reference_class: Option<String>,
    /// Whether both are the same.
    pub same_class_as_reference: Option<bool>,
    /// Root mean square of the differences of all outputs, in predicted deviations.
    pub rms_predicted_deviations: Option<f64>,
}

/// How to run `obscura-agent record`.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// Name of the run, for its files.
    pub name: &'static str,
    /// JSON file with the records.
    pub input: PathBuf,
    /// Whether its progress goes to our terminal instead of a file.
    pub live: bool,
    /// File of the vault's password, in the site's folder.
    pub password_file: &'static str,
    /// Further arguments.
    pub more: &'static [&'static str],
}

impl RecordOptions {
    /// A run with the site's password whose progress goes to a file.
    pub fn new(name: &'static str, input: &Path) -> Self {
        Self {
            name,
            input: input.to_owned(),
            live: false,
            password_file: "password",
            more: &[],
        }
    }
}

/// A run of the agent, under way or ended.
#[derive(Debug)]
pub struct AgentRun {
    process: Managed,
    out: PathBuf,
    err: PathBuf,
}

impl AgentRun {
    /// Starts `obscura-agent record` on device-1.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn record(site: &Site, options: &RecordOptions) -> Result<Self, HarnessError> {
        let input = options.input.as_os_str();
        Self::start(site, "record", &["--input".as_ref(), input], options)
    }

    /// Starts `obscura-agent scan` on device-1; the input is an image.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn scan(site: &Site, options: &RecordOptions) -> Result<Self, HarnessError> {
        Self::start(site, "scan", &[options.input.as_os_str()], options)
    }

    /// Starts `obscura-agent resume` on device-1; there is no input.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn resume(site: &Site, options: &RecordOptions) -> Result<Self, HarnessError> {
        Self::start(site, "resume", &[], options)
    }

    fn start(
        site: &Site,
        verb: &str,
        input: &[&std::ffi::OsStr],
        options: &RecordOptions,
    ) -> Result<Self, HarnessError> {
        let mut command = site.program("obscura-agent")?;
        command.args([
            verb,
            "--config",
            "site/device-1/agent.toml",
            "--with-reference",
            "--json",
        ]);
        command
            .args(["--password-file", options.password_file])
            .args(options.more)
            .args(input);
        let file = |kind: &str| site.path(&format!("logs/agent-{}.{kind}", options.name));
        let (out, err) = (file("json"), file("log"));
        let create = |path: &Path| {
            File::create(path).map_err(|source| HarnessError::DeviceIo {
                path: path.to_owned(),
                source,
            })
        };
        let errors = if options.live {
            std::process::Stdio::inherit()
        } else {
            create(&err)?.into()
        };
        let process = Managed::start_with("obscura-agent", &command, create(&out)?.into(), errors, &err)?;
        Ok(Self { process, out, err })
    }

    /// Kills the command line; what it started ends by itself.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Waits for its end; gives exit code and report, which a run that failed early does not have.
    ///
    /// # Errors
    /// [`HarnessError`] when it does not end.
    pub fn finish(&mut self) -> Result<(Option<i32>, Option<AgentReport>), HarnessError> {
        let status = self.process.wait(RUN_LIMIT)?;
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        Ok((status.code(), serde_json::from_str(&text).ok()))
    }

    /// Waits for its end, which must be a success.
    ///
    /// # Errors
    /// [`HarnessError::ProgramFailed`] with what it said.
    pub fn succeed(&mut self) -> Result<AgentReport, HarnessError> {
        match self.finish()? {
            (Some(0), Some(report)) => Ok(report),
            (code, report) => Err(HarnessError::ProgramFailed {
                program: "obscura-agent".to_owned(),
                code,
                output: report.and_then(|report| report.error).unwrap_or_default() + "\n" + &self.said(),
            }),
        }
    }
}
