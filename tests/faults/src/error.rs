//! What ends a campaign; what goes wrong inside a round is its verdict.

use std::io;

use obscura_system_tests::HarnessError;

/// Why the campaign could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultsError {
    /// A program, a file or the site.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A socket of a proxy.
    #[error("a proxy cannot work: {0}")]
    DeviceProxy(#[source] io::Error),
    /// The observer's process.
    #[error("the observer {what}")]
    Observer {
        /// What it did.
        what: &'static str,
        /// Why, where the system says so.
        #[source]
        source: Option<io::Error>,
    },
    /// The observer cannot reach the broker with its certificate.
    #[error("the observer cannot listen at the broker: {0}")]
    Carrier(#[from] obscura_carrier::CarrierError),
    /// A file of the site does not say what is needed.
    #[error("{file} has no {what}")]
    BadSite {
        /// The file, in the site's folder.
        file: &'static str,
        /// What is missing in it.
        what: &'static str,
    },
}
