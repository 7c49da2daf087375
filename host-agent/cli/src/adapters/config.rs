//! The names this process shows; the rest of `agent.toml` belongs to the vault and the link.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{application::Places, error::CliError};

#[derive(Deserialize)]
struct Document {
    name: String,
    r#box: BoxSection,
    broker: BrokerSection,
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
                broker: format!("{}:{}", document.broker.host, document.broker.port),
                box_name: document.r#box.name,
            },
        })
    }
}
