//! Randomness from the operating system.

use obscura_protocol::identity::SessionId;

use crate::ports::{Entropy, NoEntropy};

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn session_id(&mut self) -> Result<SessionId, NoEntropy> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_none| NoEntropy)?;
        Ok(SessionId(id))
    }
}
