//! The site: many enrolled devices, a broker, a cable, and the gate as the process that ships.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use obscura_carrier::{
    Options,
    serial::{End, PortName, SerialOptions},
};
use obscura_link::adapters::config::LinkConfig;
use obscura_protocol::envelope::MAX_ENVELOPE_BYTES;
use obscura_system_tests::{Broker, Site, wait_until};
use zeroize::Zeroizing;

use crate::{cable::Cable, compute::Compute, error::BenchError};

/// How long the gate may take to serve, and to end.
const GATE_LIMIT: Duration = Duration::from_secs(20);
/// Speed of the line; a pseudo-terminal has none.
const BAUD: u32 = 3_000_000;

/// Everything a measurement runs on.
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) cable: Cable,
    pub(crate) compute: Compute,
    pub(crate) gate: Gate,
    /// How long making the site took.
    pub(crate) provisioned: Duration,
    _broker: Broker,
}

/// The name of the `n`-th device.
pub(crate) fn name(n: usize) -> String {
    format!("device-{}", n + 1)
}

impl Place {
    /// Makes a site of `devices`, and starts broker and gate.
    pub(crate) fn make(devices: usize) -> Result<Self, BenchError> {
        let began = Instant::now();
        let site = Site::make()?;
        for n in 1..devices {
            let mut add = site.program("obscura-provision")?;
            site.run(add.args(["add-device", "--site", "site", "--name", &name(n)]))?;
        }
        let provisioned = began.elapsed();
        let cable = Cable::lay()?;
        let config = site.path("site/box/box.toml");
        let failed = BenchError::io("the box's configuration");
        let text = fs::read_to_string(&config).map_err(&failed)?;
        let section = format!(
            "\n[serial]\nport = \"{}\"\nbaud = {BAUD}\nca = \"ca.pem\"\ncertificate = \"mqtt.pem\"\nkey = \"mqtt.key.pem\"\n",
            cable.box_port.display()
        );
        fs::write(&config, text + &section).map_err(&failed)?;
        let broker = site.start_broker()?;
        let compute = Compute::listen(&site.path("site/box/run"))?;
        let gate = Gate::start(&site)?;
        Ok(Self {
            site,
            cable,
            compute,
            gate,
            provisioned,
            _broker: broker,
        })
    }

    /// The `n`-th device's identity and its way through the broker.
    pub(crate) fn at_broker(&self, n: usize) -> Result<LinkConfig, BenchError> {
        let path = self.site.path("site").join(name(n)).join("agent.toml");
        Ok(LinkConfig::read(&path)?)
    }

    /// The same device over the cable.
    pub(crate) fn on_cable(&self, n: usize) -> Result<LinkConfig, BenchError> {
        let mut config = self.at_broker(n)?;
        let end = End::Device {
            box_name: config.own.box_name.clone(),
        };
        let port = self.cable.device_port.clone();
        config.carrier = Options::Serial(self.wire(&name(n), port, end)?);
        Ok(config)
    }

    /// One end of a cable, as the member `who` of the site.
    pub(crate) fn wire(&self, who: &str, port: PathBuf, end: End) -> Result<SerialOptions, BenchError> {
        let folder = self.site.path("site").join(who);
        let read = |file: &str| fs::read(folder.join(file)).map_err(BenchError::io("a certificate"));
        let (own, publish, receive) = match &end {
            End::Box => ("%u", "down", "up"),
            End::Device { .. } => (who, "up", "down"),
        };
        Ok(SerialOptions {
            port: PortName::Path(port),
            baud: BAUD,
            ca_pem: read("ca.pem")?,
            certificate_pem: read("mqtt.pem")?,
            key_pem: Zeroizing::new(read("mqtt.key.pem")?),
            publish_topic: format!("obscura/v1/{own}/{publish}"),
            receive_topic: format!("obscura/v1/{own}/{receive}"),
            max_message_bytes: MAX_ENVELOPE_BYTES,
            end,
        })
    }
}

/// The gate's process.
pub(crate) struct Gate {
    child: Child,
    log: PathBuf,
}

impl Gate {
    fn start(site: &Site) -> Result<Self, BenchError> {
        let log = site.path("logs/gate.log");
        let failed = BenchError::io("the gate");
        let mut command = site.program("obscura-box-gate")?;
        // The gate ends with its standard input, and so with us.
        let child = command
            .args(["--config", "site/box/box.toml"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).map_err(&failed)?)
            .spawn()
            .map_err(&failed)?;
        let gate = Self { child, log };
        wait_until("the gate's start", GATE_LIMIT, || {
            // Both ways must be open: the broker's is the slower one.
            let log = fs::read_to_string(&gate.log).unwrap_or_default();
            Ok((log.contains("kind=Mqtt") && site.path("site/box/run/ready").exists()).then_some(()))
        })?;
        Ok(gate)
    }

    /// Memory of the process now, MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64, BenchError> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).map_err(BenchError::io("the gate's memory"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
            .ok_or(BenchError::Ended { part: "the gate" })
    }

    /// Ends the gate and gives the number of messages it says it refused or dropped.
    pub(crate) fn end(mut self) -> Result<u64, BenchError> {
        drop(self.child.stdin.take());
        wait_until("the gate's end", GATE_LIMIT, || {
            Ok(self.child.try_wait().ok().flatten())
        })?;
        let log = fs::read_to_string(&self.log).map_err(BenchError::io("the gate's log"))?;
        let line = log.lines().rfind(|line| line.contains("refused and dropped"));
        let total = line.and_then(|line| {
            let (_, after) = line.split_once("total=")?;
            after.split_whitespace().next()?.parse().ok()
        });
        // A gate that refused nothing says nothing.
        Ok(total.unwrap_or(0))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
