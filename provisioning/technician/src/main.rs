//! `obscura-provision`: makes a site and enrols its devices.
//!
//! Wires the use cases to the file system, the certificate library and the operating system.

mod adapters;
mod application;
mod domain;
mod ports;

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use adapters::{os_entropy::OsEntropy, rcgen_authority::RcgenAuthorities, site_folder::SiteFolder};
use application::{ProvisionError, add_device::add_device, inspect::inspect, new_site, show::show};
use clap::{Parser, Subcommand};
use obscura_bundle::{MAX_BUNDLE_BYTES, MAX_ROOT_BYTES};
use obscura_protocol::{identity::PeerName, job::is_model_id};
use ports::StoreError;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 2 usage or configuration (also: the site exists already), 5 model refused, 70 internal.

The private key of the site's authority lies in authority/ca.key.pem, readable by its owner only and not \
encrypted: keep that folder with the technician, never on the box.";

/// The model of a device when nothing else is said.
const DEFAULT_MODEL: &str = "cardio-lr";

fn model_id(text: &str) -> Result<String, &'static str> {
    let refused = "a model id is a-z, 0-9 and '-', begins with a letter and has at most 64 characters";
    is_model_id(text).then(|| text.to_owned()).ok_or(refused)
}

/// Makes sites and enrols devices, for the field.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Makes a site: certificates, keys and configuration of broker, box and first device.
    #[command(after_help = EXIT_CODES)]
    NewSite {
        /// Folder of the site; must not exist or be empty.
        #[arg(long)]
        dir: PathBuf,
        /// Name of the box: a-z, 0-9 and '-', at most 32 characters.
        #[arg(long, default_value = "box-1")]
        box_name: PeerName,
        /// Name of the first device.
        #[arg(long, default_value = "device-1")]
        device: PeerName,
        /// IP address or host name at which devices reach the broker.
        #[arg(long, default_value = "127.0.0.1")]
        address: String,
        /// TCP port of the broker.
        #[arg(long, default_value_t = 8883, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// The root document whose keys sign models (made by `obscura-sign root new`).
        #[arg(long)]
        root: PathBuf,
        /// Id of the model whose signed bundle will lie in the device's folder, as ID.obb.
        #[arg(long, value_name = "ID", default_value = DEFAULT_MODEL, value_parser = model_id)]
        model: String,
    },
    /// Adds a device: its folder with certificate, keys and configuration, and its roster entry.
    #[command(after_help = EXIT_CODES)]
    AddDevice {
        /// Folder of the site.
        #[arg(long)]
        site: PathBuf,
        /// Name of the device: a-z, 0-9 and '-', at most 32 characters.
        #[arg(long)]
        name: PeerName,
        /// Let the device send signed models to the box.
        #[arg(long)]
        may_send_models: bool,
        /// Id of the model whose signed bundle will lie in the device's folder, as ID.obb.
        #[arg(long, value_name = "ID", default_value = DEFAULT_MODEL, value_parser = model_id)]
        model: String,
    },
    /// Prints who is in a site, with the fingerprints to compare.
    #[command(after_help = EXIT_CODES)]
    Show {
        /// Folder of the site.
        #[arg(long)]
        site: PathBuf,
    },
    /// Verifies a signed model against a root and says what is in it: version, signers, licence, files.
    #[command(after_help = EXIT_CODES)]
    Inspect {
        /// The bundle file.
        bundle: PathBuf,
        /// The root document that must vouch for it, such as the site's box/root.bin.
        #[arg(long)]
        root: PathBuf,
    },
}

/// Why the program stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error("cannot read the root document {path}: {source}; make one with `obscura-sign root new`")]
    ConfigRootFile { path: PathBuf, source: std::io::Error },
    #[error("cannot read {path}: {source}")]
    ConfigFile { path: PathBuf, source: std::io::Error },
    #[error("{path} has more than {max_bytes} bytes")]
    ConfigTooLarge { path: PathBuf, max_bytes: usize },
    #[error("cannot write to standard output: {source}")]
    Output { source: std::io::Error },
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Provision(
                ProvisionError::Site(_)
                | ProvisionError::ConfigRoot { .. }
                | ProvisionError::MisuseDeviceExists { .. }
                | ProvisionError::Store(
                    StoreError::MisuseExists { .. }
                    | StoreError::MisuseNotASite { .. }
                    | StoreError::DeviceDamaged { .. }
                    | StoreError::DeviceIo { .. },
                ),
            )
            | Self::ConfigRootFile { .. }
            | Self::ConfigFile { .. }
            | Self::ConfigTooLarge { .. } => 2,
            Self::Provision(ProvisionError::PeerBundle(_)) => 5,
            Self::Provision(_) | Self::Output { .. } => 70,
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(source) => report(&Failure::Output { source }),
        },
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("obscura-provision: {failure}");
    ExitCode::from(failure.exit_code())
}

fn run(verb: Verb) -> Result<String, Failure> {
    match verb {
        Verb::NewSite {
            dir,
            box_name,
            device,
            address,
            port,
            root,
            model,
        } => {
            let root = std::fs::read(&root).map_err(|source| Failure::ConfigRootFile {
                path: root.clone(),
                source,
            })?;
            let plan = new_site::Plan {
                box_name,
                device: device.clone(),
                model: &model,
                address: &address,
                port,
                root: &root,
            };
            let store = SiteFolder::new(&dir);
            new_site::new_site(&plan, &store, &RcgenAuthorities, &OsEntropy)?;
            Ok(next_steps(&dir, &device) + &show(&store)?.to_text())
        }
        Verb::AddDevice {
            site,
            name,
            may_send_models,
            model,
        } => {
            let store = SiteFolder::new(&site);
            let member = add_device(
                &name,
                &model,
                may_send_models,
                &store,
                &RcgenAuthorities,
                &OsEntropy,
            )?;
            Ok(format!(
                "device {name} added\n  envelope key    {}\n  its folder      {}\n\
                 Restart the box so that it reads the new roster.\n",
                member.envelope.fingerprint(),
                site.join(name.as_str()).display()
            ))
        }
        Verb::Show { site } => Ok(show(&SiteFolder::new(&site))?.to_text()),
        Verb::Inspect { bundle, root } => Ok(inspect(
            &read(&bundle, MAX_BUNDLE_BYTES)?,
            &read(&root, MAX_ROOT_BYTES)?,
        )?),
    }
}

/// The bytes of a file, of which no more than `max_bytes` are ever in memory.
fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::ConfigFile {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max_bytes {
        let path = path.to_owned();
        return Err(Failure::ConfigTooLarge { path, max_bytes });
    }
    Ok(bytes)
}

fn next_steps(dir: &Path, device: &PeerName) -> String {
    format!(
        "Made the site {dir}.\n\
         \x20 authority/   keep it; it signs further devices\n\
         \x20 broker/      start it there: cd {dir}/broker && mosquitto -c mosquitto.conf\n\
         \x20 box/         put signed models into models/, then: obscura-box run --config {dir}/box/box.toml\n\
         \x20 {device}/    belongs on the device, with the same signed model beside agent.toml\n\n",
        dir = dir.display()
    )
}
