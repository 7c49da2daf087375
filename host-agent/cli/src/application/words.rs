//! What the link's events are called.

use obscura_local::agent::{LinkEvent, OfflineCause};
use obscura_protocol::message::Phase;

/// Where the broker is and what the box is called.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) broker: String,
    pub(crate) box_name: String,
}

impl Places {
    /// A line for people, when the event deserves one.
    pub(crate) fn note(&self, event: &LinkEvent) -> Option<String> {
        let Self { broker, box_name } = self;
        Some(match event {
            LinkEvent::Offline { cause, retry_in_ms } => {
                let what = self.offline(*cause);
                format!(
                    "{what}, retrying in {}; the record is kept",
                    seconds(*retry_in_ms)
                )
            }
            LinkEvent::Denied => {
                format!("broker {broker} does not let this device publish: its policy is wrong")
            }
            LinkEvent::BoxSilent { retry_in_ms } => {
                let wait = seconds(*retry_in_ms);
                format!("{box_name} does not answer, asked again, waiting {wait}; the record is kept")
            }
            LinkEvent::Delayed { code, retry_in_ms } => {
                format!("{code}; trying again in {}", seconds(*retry_in_ms))
            }
            LinkEvent::JournalFailed => {
                "the journal cannot be written: records sent now would not survive a crash".to_owned()
            }
            _ => return None,
        })
    }

    /// Why there is no way to the broker.
    pub(crate) fn offline(&self, cause: OfflineCause) -> String {
        format!("broker {} {cause}", self.broker)
    }

    /// Where an item is.
    pub(crate) fn phase(&self, phase: Phase) -> String {
        match phase {
            Phase::Queued { ahead } => format!("queued behind {ahead} at {}", self.box_name),
            Phase::Computing { done, of } => format!("{} computes, layer {done} of {of}", self.box_name),
            _ => format!("under way at {}", self.box_name),
        }
    }
}

fn seconds(ms: u64) -> String {
    if ms < 950 {
        format!("{ms} ms")
    } else {
        format!("{} s", (ms + 500) / 1000)
    }
}
