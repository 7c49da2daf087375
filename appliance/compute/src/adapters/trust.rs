//! The trust process behind its local socket.

use std::{path::PathBuf, time::Duration};

use obscura_local::{
    Channel,
    appliance::{MAX_FRAME_BYTES, ReceiptRequest, TrustReply, TrustRequest, VerifiedModel},
};

use crate::ports::{Trust, TrustError};

/// How long a restarting trust process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest file of a model; a bundle holds no larger one.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A conversation with trust that is opened again when it breaks.
#[derive(Debug)]
pub struct SocketTrust {
    path: PathBuf,
    channel: Option<Channel>,
}

impl SocketTrust {
    /// Talks to the socket at `path`, connecting when first asked.
    pub fn new(path: PathBuf) -> Self {
        Self { path, channel: None }
    }

    /// Asks once; a broken conversation is opened again and the question repeated.
    fn ask(&mut self, request: &TrustRequest) -> Result<TrustReply, TrustError> {
        if let Some(mut channel) = self.channel.take()
            && let Ok(reply) = exchange(&mut channel, request)
        {
            self.channel = Some(channel);
            return checked(reply);
        }
        let mut channel = Channel::connect(&self.path, MAX_FRAME_BYTES, PATIENCE)?;
        let reply = exchange(&mut channel, request)?;
        self.channel = Some(channel);
        checked(reply)
    }
}

fn exchange(
    channel: &mut Channel,
    request: &TrustRequest,
) -> Result<TrustReply, obscura_local::ChannelError> {
    channel.send(request)?;
    channel.receive()
}

fn checked(reply: TrustReply) -> Result<TrustReply, TrustError> {
    match reply {
        TrustReply::Refused(refusal) => Err(refusal.into()),
        reply => Ok(reply),
    }
}

impl Trust for SocketTrust {
    fn models(&mut self) -> Result<Vec<VerifiedModel>, TrustError> {
        match self.ask(&TrustRequest::Models)? {
            TrustReply::Models(models) => Ok(models),
            _ => Err(TrustError::UnexpectedReply),
        }
    }

    fn verdict(&mut self, model: &VerifiedModel, good: bool) -> Result<Option<VerifiedModel>, TrustError> {
        let model_hash = model.model_hash;
        match self.ask(&TrustRequest::Verdict { model_hash, good })? {
            TrustReply::Instead(instead) => Ok(instead),
            _ => Err(TrustError::UnexpectedReply),
        }
    }

    fn file(&mut self, model: &VerifiedModel, name: &str) -> Result<Vec<u8>, TrustError> {
        let mut whole = Vec::new();
        loop {
            let request = TrustRequest::FilePiece {
                model_hash: model.model_hash,
                file: name.to_owned(),
                offset: whole.len() as u64,
            };
            let TrustReply::FilePiece { file_bytes, bytes } = self.ask(&request)? else {
                return Err(TrustError::UnexpectedReply);
            };
            if file_bytes > MAX_FILE_BYTES {
                return Err(TrustError::FileTooLarge {
                    got_bytes: file_bytes,
                    max_bytes: MAX_FILE_BYTES,
                });
            }
            whole.extend_from_slice(&bytes);
            if whole.len() as u64 >= file_bytes {
                return Ok(whole);
            }
            if bytes.is_empty() {
                return Err(TrustError::UnexpectedReply);
            }
        }
    }

    fn receipt(&mut self, request: &ReceiptRequest) -> Result<Vec<u8>, TrustError> {
        match self.ask(&TrustRequest::SignReceipt(*request))? {
            TrustReply::Receipt(bytes) => Ok(bytes),
            _ => Err(TrustError::UnexpectedReply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use obscura_local::Listener;

    #[test]
    fn asks_again_when_trust_was_restarted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.sock");
        let listener = Listener::bind(&path, MAX_FRAME_BYTES).unwrap();
        let server = std::thread::spawn(move || {
            for _restart in 0..2 {
                let mut channel = listener.accept().unwrap();
                let _request: TrustRequest = channel.receive().unwrap();
                channel.send(&TrustReply::Models(Vec::new())).unwrap();
            }
        });
        let mut trust = SocketTrust::new(path);
        for _ in 0..2 {
            assert!(trust.models().unwrap().is_empty());
        }
        server.join().unwrap();
    }
}
