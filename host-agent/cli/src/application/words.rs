//! What the link's events are called.

use std::time::Duration;

use obscura_local::agent::{LinkEvent, OfflineCause};
use obscura_protocol::message::Phase;

use crate::domain::report::Subject;

/// What lies between this device and its box, and what the box is called.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// "broker HOST:PORT", or which cable.
    pub(crate) way: String,
    pub(crate) box_name: String,
    /// What the device's model reads.
    pub(crate) subject: Subject,
}

impl Places {
    /// A line for people, when the event deserves one.
    pub(crate) fn note(&self, event: &LinkEvent) -> Option<String> {
        let Self { way, box_name, .. } = self;
        let (one, many) = (self.subject.one(), self.subject.many());
        Some(match event {
            LinkEvent::Offline { cause, retry_in_ms } => {
                let what = self.offline(*cause);
                format!("{what}, retrying in {}; the {one} is kept", seconds(*retry_in_ms))
            }
            LinkEvent::Denied => {
                format!("{way} does not let this device publish: its policy is wrong")
            }
            LinkEvent::BoxSilent { retry_in_ms } => {
                let wait = seconds(*retry_in_ms);
                format!("{box_name} does not answer, asked again, waiting {wait}; the {one} is kept")
            }
            LinkEvent::Delayed { code, retry_in_ms } => {
                format!("{code}; trying again in {}", seconds(*retry_in_ms))
            }
            LinkEvent::JournalFailed => {
                format!("the journal cannot be written: {many} sent now would not survive a crash")
            }
            _ => return None,
        })
    }

    /// Why there is no way to the box.
    pub(crate) fn offline(&self, cause: OfflineCause) -> String {
        format!("{} {cause}", self.way)
    }

    /// What becomes of what has no result yet.
    pub(crate) fn kept(&self) -> String {
        let many = self.subject.many();
        format!("The {many} are kept: `obscura-agent resume` sends them again")
    }

    /// How long the last answer takes.
    pub(crate) fn left(left: Duration) -> String {
        let seconds = left.as_secs();
        match seconds {
            0..90 => format!("about {} s left", seconds.max(1)),
            90..5400 => format!("about {} min left", (seconds + 30) / 60),
            _ => format!("about {} h left", (seconds + 1800) / 3600),
        }
    }

    /// Where an item is.
    pub(crate) fn phase(&self, phase: Phase) -> String {
        match phase {
            Phase::Queued { ahead } => format!("queued behind {ahead} at {}", self.box_name),
            Phase::Computing { done, of } => {
                format!("{} computes, {} % done", self.box_name, percent(done, of))
            }
            _ => format!("under way at {}", self.box_name),
        }
    }
}

/// Whole percent, 100 only when all is done.
fn percent(done: u32, of: u32) -> u64 {
    (u64::from(done) * 100)
        .checked_div(u64::from(of))
        .unwrap_or(0)
        .min(100)
}

fn seconds(ms: u64) -> String {
    if ms < 950 {
        format!("{ms} ms")
    } else {
        format!("{} s", (ms + 500) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_left_in_a_unit_people_count_in() {
        let text = |seconds| Places::left(Duration::from_secs(seconds));
        assert_eq!(text(0), "about 1 s left");
        assert_eq!(text(89), "about 89 s left");
        assert_eq!(text(90), "about 2 min left");
        assert_eq!(text(5399), "about 90 min left");
        assert_eq!(text(15_600), "about 4 h left");
    }

    #[test]
    fn tells_how_much_is_computed_whatever_the_box_counts() {
        let places = Places {
            way: "broker b".to_owned(),
            box_name: "box-1".to_owned(),
            subject: Subject::Record,
        };
        let text = |done, of| places.phase(Phase::Computing { done, of });
        assert_eq!(text(75_775, 151_552), "box-1 computes, 49 % done");
        assert_eq!(text(u32::MAX, u32::MAX), "box-1 computes, 100 % done");
        assert_eq!(text(3, 2), "box-1 computes, 100 % done");
        assert_eq!(text(0, 0), "box-1 computes, 0 % done");
    }
}
