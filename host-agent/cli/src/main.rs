//! `obscura-agent`: the command line of a clinic device.
//!
//! Starts the vault and the link as processes of their own and stands between them: the vault has no
//! network, the link no key of the encryption scheme, and neither meets the other.

mod adapters;
mod application;
mod arguments;
mod domain;
mod error;
mod ports;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use adapters::{
    config::CliConfig, face::face, images::ImagingProcess, input, json, model, pictures::PictureFolder,
    process::Process, signals, text,
};
use application::{
    Named, NamedImage, Run, VaultExt, check_images, check_records, make_keys, revoke_keys, send_model,
};
use arguments::{
    Arguments, ChangePasswordArguments, Command, PasswordArguments, RecordArguments, ResumeArguments,
    ScanArguments, SendModelArguments, Sending,
};
use clap::Parser;
use domain::report::{JobReport, RunReport, Subject};
use error::CliError;
use obscura_local::agent::{
    ImageView, LinkCommand, LinkEvent, ReadsView, Secret, VaultReply, VaultRequest, VaultStatus, Wanted,
};
use obscura_sealed::{Password, PasswordSource};
use ports::{Link, Pictures};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&arguments.log))
        // Colours are for people: files and pipes get plain text.
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_told() {
                eprintln!("obscura-agent: {}", error.chain());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// One command at work: its processes and the names it shows.
struct Session<'a> {
    arguments: &'a Arguments,
    config: CliConfig,
    vault: Process<VaultReply>,
}

fn run(arguments: &Arguments) -> Result<(), CliError> {
    signals::end_on_signal()?;
    let config = &arguments.command.common().config;
    let session = || {
        Ok::<_, CliError>(Session {
            arguments,
            config: CliConfig::read(config)?,
            vault: Process::start("vault", config, &arguments.log)?,
        })
    };
    match &arguments.command {
        Command::Init(init) => session()?.init(&init.password, init.new_keys),
        Command::Record(RecordArguments { submitting, .. }) => {
            session()?.send(&submitting.sending, submitting.soon.wanted(), None)
        }
        Command::Scan(ScanArguments {
            submitting, keeping, ..
        }) => session()?.send(
            &submitting.sending,
            submitting.soon.wanted(),
            keeping.pictures.as_deref(),
        ),
        // What is sent again is wanted as soon as it was the first time.
        Command::Resume(ResumeArguments { sending, keeping }) => {
            session()?.send(sending, Wanted::default(), keeping.pictures.as_deref())
        }
        Command::Fields(_) => session()?.fields(),
        Command::Status(status) => session()?.status(&status.password, status.locked),
        Command::ChangePassword(change) => session()?.change_password(change),
        Command::RevokeKeys(revoke) => session()?.revoke_keys(revoke.patience()),
        Command::SendModel(send) => send_signed_model(send, &arguments.log),
    }
}

/// `send-model`: without the vault, whose keys have no part in it.
fn send_signed_model(arguments: &SendModelArguments, log: &str) -> Result<(), CliError> {
    let config = &arguments.common.config;
    let places = CliConfig::read(config)?.places;
    let model = model::read(config, &arguments.file)?;
    let mut link: Process<LinkEvent> = Process::start("link", config, log)?;
    let sent = send_model(&mut link, &mut *face(), &places, &model, arguments.patience())?;
    link.tell(LinkCommand::Close)?;
    if arguments.common.json {
        return text::print(&format!("{:#}\n", json::sent_model(&model, &sent)));
    }
    text::print_result(&text::sent_model(&model, &sent, &places))
}

fn secret(source: &PasswordSource, prompt: &str) -> Result<Secret, CliError> {
    let password = Password::read(source, prompt)?;
    Ok(Secret(Zeroizing::new(password.as_bytes().to_vec())))
}

fn unlock(
    vault: &mut Process<VaultReply>,
    password: &PasswordArguments,
    create: bool,
) -> Result<VaultStatus, CliError> {
    let prompt = if create {
        "New vault password"
    } else {
        "Vault password"
    };
    let password = secret(&password.source(create), prompt)?;
    vault.open(password, create)
}

impl Session<'_> {
    fn json(&self) -> bool {
        self.arguments.command.common().json
    }

    fn print(&self, value: &serde_json::Value, otherwise: &str) -> Result<(), CliError> {
        if self.json() {
            text::print(&format!("{value:#}\n"))
        } else {
            text::print_result(otherwise)
        }
    }

    fn init(&mut self, password: &PasswordArguments, new_keys: bool) -> Result<(), CliError> {
        unlock(&mut self.vault, password, !new_keys)?;
        let (keys, time) = make_keys(&mut self.vault, &mut *face(), new_keys)?;
        let status = self.vault.status()?;
        let mut value = json::status(&status);
        value["keygen_ms"] = serde_json::json!(text::ms(time));
        let told = format!(
            "keys {:.16} made in {:.1} s, {} bytes of evaluation keys; they go to the box with the first record\n",
            keys.digest,
            time.as_secs_f64(),
            keys.len_bytes
        );
        self.print(&value, &told)
    }

    fn change_password(&mut self, arguments: &ChangePasswordArguments) -> Result<(), CliError> {
        let opened = unlock(&mut self.vault, &arguments.password, false)?;
        debug_assert!(opened.open, "the vault answers a refusal otherwise");
        let password = secret(&arguments.new_source(), "New vault password")?;
        self.vault.done(VaultRequest::ChangePassword { password })?;
        eprintln!("the vault is sealed under the new password");
        Ok(())
    }

    fn revoke_keys(&mut self, patience: Duration) -> Result<(), CliError> {
        let config = &self.arguments.command.common().config;
        let mut link: Process<LinkEvent> = Process::start("link", config, &self.arguments.log)?;
        let places = &self.config.places;
        let objects = revoke_keys(&mut link, &mut *face(), places, patience)?;
        link.tell(LinkCommand::Close)?;
        let what = match objects {
            0 => "had no keys of this device".to_owned(),
            1 => "forgot one set of keys of this device".to_owned(),
            _ => format!("forgot {objects} sets of keys of this device"),
        };
        let told = format!("{} {what}; the next record sends keys again\n", places.box_name);
        self.print(&serde_json::json!({ "revoked": objects }), &told)
    }

    fn fields(&mut self) -> Result<(), CliError> {
        let contract = self.vault.contract()?;
        self.print(&json::fields(&contract), &text::fields(&contract))
    }

    fn status(&mut self, password: &PasswordArguments, locked: bool) -> Result<(), CliError> {
        let mut status = self.vault.status()?;
        if status.exists && !locked {
            status = unlock(&mut self.vault, password, false)?;
        }
        let told = text::status(&status, &self.config.places);
        self.print(&json::status(&status), &told)
    }

    /// What is to be sent, read and checked before the password is asked for.
    fn work(&mut self, images: &mut ImagingProcess) -> Result<Work, CliError> {
        match &self.arguments.command {
            Command::Record(record) => {
                let records = input::records(record, &mut self.vault)?;
                check_records(&mut self.vault, &records)?;
                Ok(Work::Records(records))
            }
            Command::Scan(scan) => {
                let (named, view) = input::images(&scan.images, &self.vault.contract()?)?;
                check_images(images, &view, &named, &mut *face())?;
                Ok(Work::Images(named, view))
            }
            _ => Ok(Work::Resume),
        }
    }

    /// `record`, `scan` and `resume`.
    fn send(&mut self, how: &Sending, wanted: Wanted, pictures: Option<&Path>) -> Result<(), CliError> {
        let mut pictures = pictures.map(PictureFolder::at).transpose()?;
        let mut images = ImagingProcess::default();
        let work = self.work(&mut images)?;
        let exists = self.vault.status()?.exists;
        let create = !exists && !matches!(work, Work::Resume);
        if create {
            eprintln!("there is no vault on this device yet: making it");
        }
        let began = Instant::now();
        let config = &self.arguments.command.common().config;
        // Started before the password is checked, so that the connection is there when it is needed.
        let mut link: Process<LinkEvent> = Process::start("link", config, &self.arguments.log)?;
        let status = unlock(&mut self.vault, &how.password, create)?;
        let subject = match self.vault.contract()?.reads {
            ReadsView::Record(_) => Subject::Record,
            ReadsView::Image(_) => Subject::Image,
        };
        self.config.places.subject = subject;
        let (quiet, mut face) = (self.json(), face());
        let mut show = |report: &JobReport| {
            if quiet {
                Ok(())
            } else {
                text::print_result(&text::job(report))
            }
        };
        let mut run = Run {
            vault: &mut self.vault,
            link: &mut link,
            face: &mut *face,
            places: self.config.places.clone(),
            patience: how.patience(),
            wanted,
            with_reference: how.with_reference,
            pictures: pictures.as_mut().map(|kept| kept as &mut dyn Pictures),
            report: RunReport {
                device: self.config.device.clone(),
                box_name: self.config.places.box_name.clone(),
                model_id: status.model_id.clone(),
                model_version: status.model_version.clone(),
                subject,
                ..RunReport::default()
            },
            show: &mut show,
        };
        let done = match work {
            Work::Records(records) => run.records(&status, records),
            Work::Images(named, view) => run.scans(&status, named, &mut images, &view),
            Work::Resume => run.resume(&status),
        };
        let mut report = run.report;
        report.total_time = began.elapsed();
        let told = link.tell(LinkCommand::Close);
        let done = done.and_then(|()| failures(&report)).and(told);
        let table = if report.jobs.is_empty() {
            String::new()
        } else {
            text::table(&report)
        };
        self.print(&json::run(&report, done.as_ref().err()), &table)?;
        done
    }
}

/// What `record`, `scan` and `resume` send.
enum Work {
    Records(Vec<Named>),
    Images(Vec<NamedImage>, ImageView),
    Resume,
}

fn failures(report: &RunReport) -> Result<(), CliError> {
    match report.failures() {
        (0, _) => Ok(()),
        (failed, exit_code) => Err(CliError::SomeFailed {
            failed,
            of: report.jobs.len(),
            what: report.subject.many(),
            exit_code,
        }),
    }
}
