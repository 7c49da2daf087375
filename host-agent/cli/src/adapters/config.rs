//! The names this process shows; the rest of `agent.toml` belongs to the vault and the link.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{application::Places, domain::report::Subject, error::CliError};

#[derive(Deserialize)]
struct Document {
    name: String,
    r#box: BoxSection,
    broker: Option<BrokerSection>,
    serial: Option<SerialSection>,
}

#[derive(Deserialize)]
struct BoxSection {
    name: String,
}

#[derive(Deserialize)]
struct BrokerSection {
    host: String,
    port: u16,
}

#[derive(Deserialize)]
struct SerialSection {
    port: Option<PathBuf>,
    usb_serial_number: Option<String>,
}

/// What lies between this device and its box; the link refuses what is neither.
fn way(broker: Option<&BrokerSection>, serial: Option<&SerialSection>) -> String {
    match (broker, serial) {
        (Some(BrokerSection { host, port }), _) => format!("broker {host}:{port}"),
        (None, Some(SerialSection { port: Some(port), .. })) => format!("cable at {}", port.display()),
        (None, Some(section)) => {
            let number = section.usb_serial_number.as_deref().unwrap_or("without a number");
            format!("cable with USB serial number {number}")
        }
        (None, None) => "carrier".to_owned(),
    }
}

/// The device's name and its places.
#[derive(Debug)]
pub(crate) struct CliConfig {
    pub(crate) device: String,
    pub(crate) places: Places,
}

impl CliConfig {
    /// Reads the names; unknown options are for their owners to refuse.
    ///
    /// # Errors
    /// [`CliError::ConfigFile`] or [`CliError::ConfigToml`].
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|source| CliError::ConfigFile {
            path: path.to_owned(),
            source,
        })?;
        let document: Document = toml::from_str(&text).map_err(|source| CliError::ConfigToml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            device: document.name,
            places: Places {
                way: way(document.broker.as_ref(), document.serial.as_ref()),
                box_name: document.r#box.name,
                subject: Subject::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_way_to_the_box() {
        let way = |text: &str| {
            let head = "name = \"d\"\nbox = { name = \"b\" }\n";
            let document: Document = toml::from_str(&format!("{head}{text}")).unwrap();
            super::way(document.broker.as_ref(), document.serial.as_ref())
        };
        assert_eq!(way("broker = { host = \"h\", port = 1 }"), "broker h:1");
        assert_eq!(way("serial = { port = \"/dev/ttyS0\" }"), "cable at /dev/ttyS0");
        assert_eq!(
            way("serial = { usb_serial_number = \"FT1A\" }"),
            "cable with USB serial number FT1A"
        );
    }
}
