//! A running site with everything that can be broken: broker, box, two proxies, a cable.
//!
//! device-1 comes over MQTT and device-2 over the cable; the box serves both. Knows how to bring each fault
//! about and how to end it, not when.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use obscura_system_tests::{BoxProcess, Broker, HarnessError, Site, fixtures, wait_until};

use crate::{
    agent::Agent,
    cable::{self, Cable},
    error::FaultsError,
    plan::{Before, Carrier, Fault, Noise, Side, Subject, Victim},
    processes,
    proxy::Proxy,
    tap::OBSERVER,
    watch::Observer,
};

/// Longest wait for the box to be whole again.
const WHOLE_LIMIT: Duration = Duration::from_secs(30);
const REVOKE_PATIENCE_S: &str = "30";
const DATABASE: &str = "site/broker/mosquitto.db";
const ROLES: [&str; 3] = ["obscura-box-gate", "obscura-box-compute", "obscura-box-trust"];

/// A site under test.
#[derive(Debug)]
pub(crate) struct Bench {
    // In this order they are dropped: observer and box before broker, the folder last.
    pub(crate) observer: Observer,
    boxed: Option<BoxProcess>,
    broker: Broker,
    /// Of the device's connection and of the box's.
    proxies: [Proxy; 2],
    cable: CableBox,
    /// Starts of the box and of the broker, and those of the box that it brought about itself.
    pub(crate) restarts: usize,
    pub(crate) box_ended: usize,
    pub(crate) site: Site,
}

/// The cable has nothing to show of itself.
struct CableBox(Cable);

impl std::fmt::Debug for CableBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cable")
    }
}

/// The device that uses a carrier.
pub(crate) fn device(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Mqtt => "device-1",
        Carrier::Cable => "device-2",
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> HarnessError {
    let path = path.to_owned();
    move |source| HarnessError::DeviceIo { path, source }
}

impl Bench {
    /// Makes a site and starts everything; `program` is the one that can observe.
    ///
    /// # Errors
    /// [`FaultsError`].
    pub(crate) fn start(program: &Path, subject: Subject) -> Result<Self, FaultsError> {
        let model = match subject {
            Subject::Records => fixtures::CARDIO_LR,
            Subject::Image => fixtures::DERM_TINY,
        };
        let site = Site::make_for(model)?;
        for name in ["device-2", OBSERVER] {
            let mut add = site.program("obscura-provision")?;
            add.args([
                "add-device",
                "--site",
                "site",
                "--name",
                name,
                "--model",
                model.id,
            ]);
            site.run(&mut add)?;
        }
        let bundle = format!("{}.obb", model.id);
        site.copy(&bundle, &format!("site/device-2/{bundle}"))?;
        let proxy = || Proxy::start(site.port()).map_err(FaultsError::DeviceProxy);
        let (proxies, cable) = ([proxy()?, proxy()?], Cable::new());
        let edit = |file: &str, change: &dyn Fn(&str) -> String| {
            let path = site.path(file);
            let text = fs::read_to_string(&path).map_err(io_error(&path))?;
            fs::write(&path, change(&text)).map_err(io_error(&path))
        };
        let port = |of: &Proxy| format!("port = {}", of.port());
        let broker_port = format!("port = {}", site.port());
        let lay = |text: &str, end: &str| lay(text, &cable.end(end));
        edit("site/device-1/agent.toml", &|text| {
            text.replace(&broker_port, &port(&proxies[0]))
        })?;
        edit("site/device-2/agent.toml", &|text| {
            without_broker(&lay(text, "device"))
        })?;
        edit("site/box/box.toml", &|text| {
            lay(&text.replace(&broker_port, &port(&proxies[1])), "box")
        })?;
        // A broker that keeps what it can, unlike the one we ship: there must be a database to lose.
        edit("site/broker/mosquitto.conf", &|text| {
            let keep = "persistence true\npersistence_location ./\nautosave_interval 1\n";
            text.replace("persistence false\n", keep)
        })?;
        edit("site/broker/acl", &|text| {
            format!("{text}\nuser {OBSERVER}\ntopic read obscura/v1/+/up\ntopic read obscura/v1/+/down\n")
        })?;
        let broker = site.start_broker()?;
        let observer = Observer::start(program, &site.path("site"), site.port())?;
        let boxed = Some(site.start_box()?);
        Ok(Self {
            observer,
            boxed,
            broker,
            proxies,
            cable: CableBox(cable),
            restarts: 0,
            box_ended: 0,
            site,
        })
    }

    /// The site, to be kept; everything else ends.
    pub(crate) fn keep(self) -> PathBuf {
        let Self { site, boxed, .. } = self;
        drop(boxed);
        site.keep().1
    }

    /// Brings box and device into the state a round begins with.
    ///
    /// # Errors
    /// [`FaultsError`].
    pub(crate) fn prepare(&mut self, before: Before, carrier: Carrier) -> Result<(), FaultsError> {
        match before {
            Before::Kept => {}
            Before::Revoked => {
                let mut revoke = self.site.program("obscura-agent")?;
                let config = format!("site/{}/agent.toml", device(carrier));
                revoke.args([
                    "revoke-keys",
                    "--config",
                    &config,
                    "--patience-s",
                    REVOKE_PATIENCE_S,
                ]);
                self.site.run(&mut revoke)?;
            }
            Before::StoreLost => self.lose_store()?,
            Before::Fresh => {
                self.lose_store()?;
                self.forget_device(device(carrier))?;
            }
        }
        Ok(())
    }

    fn lose_store(&mut self) -> Result<(), FaultsError> {
        self.boxed = None;
        remove(&self.site.path("site/box/state/keys"))?;
        self.start_box()?;
        self.wait_until_whole()?;
        Ok(())
    }

    /// What a device made itself is gone; what it was provisioned with stays.
    fn forget_device(&self, device: &str) -> Result<(), FaultsError> {
        let folder = self.site.path("site").join(device);
        for entry in fs::read_dir(&folder).map_err(io_error(&folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_made = |kind: &str| name.split('.').any(|part| part == kind);
            if ["vault", "evk", "journal"].into_iter().any(is_made) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn start_box(&mut self) -> Result<(), HarnessError> {
        self.restarts += 1;
        self.boxed = Some(self.site.start_box_unready()?);
        Ok(())
    }

    /// Starts the box again when it ended by itself, as its service manager would.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub(crate) fn tend(&mut self) -> Result<(), HarnessError> {
        let ended = self
            .boxed
            .as_mut()
            .is_some_and(|boxed| boxed.process().check_running().is_err());
        if ended {
            self.box_ended += 1;
            self.start_box()?;
        }
        Ok(())
    }

    /// Brings a fault about.
    pub(crate) fn begin(&mut self, fault: Fault, agent: &mut Agent) {
        match fault {
            Fault::Broker { database_removed } => {
                self.broker.kill();
                if database_removed {
                    // It may not have written one yet.
                    let _ = fs::remove_file(self.site.path(DATABASE));
                }
            }
            Fault::Cut { side, reset } => self.proxy(side).cut(reset),
            Fault::Freeze { side } => self.proxy(side).freeze(true),
            Fault::Refuse { side } => self.proxy(side).refuse(true),
            Fault::Slow { side, bytes_per_s } => self.proxy(side).slow(bytes_per_s),
            Fault::Delay { side, by_ms } => self.proxy(side).delay(by_ms),
            Fault::Unplug => self.cable.0.unplug(),
            Fault::Hang => self.cable.0.hang(),
            Fault::Noise { noise, one_in } => self.cable.0.disturb(kinds(noise), one_in),
            Fault::Kill(victim) => self.kill(victim, agent),
        }
    }

    fn kill(&mut self, victim: Victim, agent: &mut Agent) {
        let program = match victim {
            Victim::Launcher | Victim::WholeBox => {
                if victim == Victim::WholeBox {
                    self.kill_all(&ROLES);
                }
                if let Some(mut boxed) = self.boxed.take() {
                    boxed.process().kill();
                }
                return;
            }
            Victim::Gate => ROLES[0],
            Victim::Compute => ROLES[1],
            Victim::Trust => ROLES[2],
            Victim::Agent | Victim::CommandLine | Victim::Vault | Victim::Link => return agent.kill(victim),
        };
        self.kill_all(&[program]);
    }

    fn kill_all(&self, programs: &[&str]) {
        for process in processes::of_site(&self.site.path("")) {
            if programs.contains(&process.program.as_str()) {
                process.kill();
            }
        }
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// [`HarnessError`] when broker or box do not start again.
    pub(crate) fn end(&mut self, fault: Fault) -> Result<(), HarnessError> {
        match fault {
            Fault::Broker { .. } => {
                self.restarts += 1;
                // Two faults may have killed one broker.
                self.broker.kill();
                self.broker.restart()?;
            }
            Fault::Freeze { side } => self.proxy(side).freeze(false),
            Fault::Refuse { side } => self.proxy(side).refuse(false),
            Fault::Slow { side, .. } => self.proxy(side).slow(0),
            Fault::Delay { side, .. } => self.proxy(side).delay(0),
            Fault::Unplug | Fault::Hang => self.cable.0.plug(),
            Fault::Noise { .. } => self.cable.0.damage(0),
            Fault::Kill(Victim::Launcher | Victim::WholeBox) if self.boxed.is_none() => self.start_box()?,
            Fault::Cut { .. } | Fault::Kill(_) => {}
        }
        Ok(())
    }

    /// Ends whatever is still broken.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub(crate) fn heal(&mut self) -> Result<(), HarnessError> {
        self.proxies.iter().for_each(Proxy::heal);
        self.cable.0.damage(0);
        self.cable.0.plug();
        if self.broker.process().check_running().is_err() {
            self.end(Fault::Broker {
                database_removed: false,
            })?;
        }
        if self.boxed.is_none() {
            self.start_box()?;
        }
        Ok(())
    }

    fn proxy(&self, side: Side) -> &Proxy {
        match side {
            Side::Device => &self.proxies[0],
            Side::Box => &self.proxies[1],
        }
    }

    /// Waits until each process of the box is there exactly once and says that it is ready.
    ///
    /// # Errors
    /// [`HarnessError::TimedOut`]: something is missing, or something was left behind.
    pub(crate) fn wait_until_whole(&mut self) -> Result<(), HarnessError> {
        if let Some(boxed) = &mut self.boxed {
            boxed.wait_until_ready()?;
        }
        let folder = self.site.path("");
        wait_until("one gate, one compute, one trust", WHOLE_LIMIT, || {
            let mut count: BTreeMap<String, usize> = BTreeMap::new();
            for process in processes::of_site(&folder) {
                *count.entry(process.program).or_default() += 1;
            }
            let once = |program: &&str| count.get(*program) == Some(&1);
            Ok(["obscura-box"].iter().chain(&ROLES).all(once).then_some(()))
        })
    }

    /// Whether the device has taken a record into its journal.
    pub(crate) fn has_ticket(&self, carrier: Carrier) -> bool {
        let folder = self.site.path("site").join(device(carrier)).join("journal");
        fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
    }
}

fn kinds(noise: Noise) -> u64 {
    match noise {
        Noise::Flips => cable::FLIP,
        Noise::Truncation => cable::LOSE | cable::LOSE_RUN,
        Noise::Duplication => cable::REPEAT | cable::REPEAT_RUN,
        Noise::Garbage => cable::GARBAGE,
        Noise::Everything => u64::MAX >> 16,
    }
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<(), HarnessError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// Uncomments `[serial]` and names the port, as the comments of a configuration tell whoever lays a cable.
fn lay(text: &str, port: &Path) -> String {
    let line = |line: &str| match line.strip_prefix('#').filter(|bare| !bare.starts_with(' ')) {
        Some(bare) if bare.starts_with("port =") => format!("port = \"{}\"\n", port.display()),
        Some(bare) if bare.starts_with("usb_serial_number") => String::new(),
        Some(bare) => format!("{bare}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Takes `[broker]` out.
fn without_broker(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        inside = (inside || line == "[broker]") && line != "[serial]";
        if !inside || line.starts_with('#') {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Since when something lasts, for a line of progress.
pub(crate) fn seconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10.0).round() / 10.0
}
