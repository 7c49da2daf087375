//! Requests to the vault with the reply each must have.

use std::time::{Duration, Instant};

use obscura_local::agent::{ContractView, Problem, Record, Secret, VaultReply, VaultRequest, VaultStatus};
use obscura_protocol::transfer::ObjectHeader;

use crate::{
    error::CliError,
    ports::{Activity, Face, Vault},
};

const UNEXPECTED: CliError = CliError::Unexpected { name: "vault" };

/// Typed requests.
pub(crate) trait VaultExt: Vault {
    fn request(&mut self, request: VaultRequest) -> Result<VaultReply, CliError> {
        self.ask(request, &mut |_| {})
    }

    fn done(&mut self, request: VaultRequest) -> Result<(), CliError> {
        match self.request(request)? {
            VaultReply::Done => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    fn open(&mut self, password: Secret, create: bool) -> Result<VaultStatus, CliError> {
        match self.request(VaultRequest::Open { password, create })? {
            VaultReply::Status(status) => Ok(status),
            _ => Err(UNEXPECTED),
        }
    }

    fn status(&mut self) -> Result<VaultStatus, CliError> {
        match self.request(VaultRequest::Status)? {
            VaultReply::Status(status) => Ok(status),
            _ => Err(UNEXPECTED),
        }
    }

    fn contract(&mut self) -> Result<ContractView, CliError> {
        match self.request(VaultRequest::Contract)? {
            VaultReply::Contract(contract) => Ok(contract),
            _ => Err(UNEXPECTED),
        }
    }

    /// Everything that is wrong with a record.
    fn problems(&mut self, record: Record) -> Result<Vec<Problem>, CliError> {
        match self.request(VaultRequest::Check { record })? {
            VaultReply::Done => Ok(Vec::new()),
            VaultReply::Problems(problems) => Ok(problems),
            _ => Err(UNEXPECTED),
        }
    }
}

impl<V: Vault + ?Sized> VaultExt for V {}

/// Makes keys and shows how far they are; also says how long it took.
pub(crate) fn make_keys(
    vault: &mut dyn Vault,
    face: &mut dyn Face,
    replace: bool,
) -> Result<(ObjectHeader, Duration), CliError> {
    let began = Instant::now();
    let (mut done, mut of) = (0, 0);
    face.progress(Activity::Keys, 0, 0, "");
    let reply = vault.ask(VaultRequest::GenerateKeys { replace }, &mut |news| {
        (done, of) = news.map_or((done, of), |(done, of)| (done.into(), of.into()));
        face.progress(Activity::Keys, done, of, "");
    });
    face.finished();
    match reply? {
        VaultReply::Keys(object) => Ok((object, began.elapsed())),
        _ => Err(UNEXPECTED),
    }
}
