//! The conversation with the command line: one request, then its replies.

use std::{error::Error, thread};

use obscura_local::{
    Channel, ChannelError,
    agent::{VaultFault, VaultReply, VaultRequest},
};

use crate::application::{Answered, Vault, VaultError};

/// Answers requests until the command line closes the socket.
///
/// # Errors
/// [`ChannelError`] when the socket fails in another way.
pub fn serve(vault: &mut Vault, channel: &mut Channel) -> Result<(), ChannelError> {
    loop {
        let request = match channel.receive() {
            Ok(request) => request,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        let reply = answer(vault, request, channel).unwrap_or_else(|error| refusal(vault, error));
        match channel.send(&reply) {
            Err(ChannelError::Io(_)) => return Ok(()),
            sent => sent?,
        }
    }
}

fn answer(vault: &mut Vault, request: VaultRequest, channel: &mut Channel) -> Result<VaultReply, VaultError> {
    Ok(match request {
        VaultRequest::Open { password, create } => {
            vault.open(password.0, create)?;
            VaultReply::Status(vault.status())
        }
        VaultRequest::ChangePassword { password } => {
            vault.change_password(password.0)?;
            VaultReply::Done
        }
        VaultRequest::Status => VaultReply::Status(vault.status()),
        VaultRequest::Contract => VaultReply::Contract(vault.contract()),
        VaultRequest::GenerateKeys { replace } => {
            let mut tell = |done, of| {
                if channel.send(&VaultReply::KeyProgress { done, of }).is_err() {
                    // Nobody waits for these keys, and nothing was written yet.
                    std::process::exit(0);
                }
            };
            VaultReply::Keys(vault.generate_keys(replace, &mut tell)?)
        }
        VaultRequest::KeyChunk { index } => VaultReply::KeyChunk(vault.key_chunk(index)?),
        VaultRequest::Check { record } => vault.check(&record).map(|_inputs| VaultReply::Done)?,
        VaultRequest::Encrypt { label, record } => {
            let (ticket, item) = vault.encrypt(label, &record)?;
            VaultReply::Encrypted { ticket, item }
        }
        VaultRequest::Accept {
            job,
            item,
            answer,
            receipt,
        } => match vault.accept(job, item, &answer, &receipt)? {
            Answered::Record(outcome) => VaultReply::Outcome(outcome),
            Answered::Scan(outcome) => VaultReply::ScanOutcome(outcome),
            Answered::Item { done, of } => VaultReply::ItemAccepted { done, of },
        },
        VaultRequest::Settle { job } => {
            vault.settle(job)?;
            VaultReply::Done
        }
        VaultRequest::OpenScan { label, pixels } => VaultReply::Ticket {
            ticket: vault.open_scan(label, &pixels)?,
        },
        VaultRequest::Ticket { job } => VaultReply::Ticket {
            ticket: vault.ticket(job)?,
        },
        VaultRequest::ScanResult { job } => VaultReply::ScanOutcome(Box::new(vault.scan_result(job)?)),
        VaultRequest::EncryptItem { job, index } => VaultReply::Item(vault.encrypt_item(job, index)?),
        VaultRequest::Pixels { job } => VaultReply::Pixels(vault.pixels(job)?),
        VaultRequest::Compare { job } => VaultReply::Comparison(vault.compare(job)?),
        VaultRequest::Reference { record } => VaultReply::Reference(vault.reference(&record)?),
        _ => VaultReply::Failed {
            fault: VaultFault::Internal,
            text: "the vault does not know this request".to_owned(),
        },
    })
}

fn refusal(vault: &Vault, error: VaultError) -> VaultReply {
    let fault = error.fault();
    if fault == VaultFault::WrongPassword {
        thread::sleep(vault.pause_after_refusal());
    }
    match error {
        VaultError::BadRecord(problems) => VaultReply::Problems(problems),
        error => VaultReply::Failed {
            fault,
            text: chain(&error),
        },
    }
}

/// An error and its sources in one line; a source its parent quotes already is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.ends_with(more.trim_end()) {
            text = format!("{text}: {}", more.trim_end());
        }
        next = source.source();
    }
    text
}
