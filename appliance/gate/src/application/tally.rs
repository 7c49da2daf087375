//! What was refused and dropped, by device, for whoever watches the box.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use obscura_protocol::{identity::PeerName, message::Refusal};

use super::Gate;
use crate::ports::{Counts, Event, Note};

/// Shortest time between two summaries.
const INTERVAL: Duration = Duration::from_mins(1);

/// Counts since the gate started. Bounded: the devices of the roster, and one line for all others.
#[derive(Debug, Default)]
pub(super) struct Tally {
    devices: BTreeMap<PeerName, Counts>,
    unknown: u64,
    changed: bool,
    reported: Option<Instant>,
}

impl Tally {
    pub(super) fn unknown(&mut self, messages: u64) {
        self.unknown += messages;
        self.changed = true;
    }

    fn of(&mut self, device: &PeerName) -> &mut Counts {
        self.changed = true;
        self.devices.entry(device.clone()).or_default()
    }

    pub(super) fn refused(&mut self, device: &PeerName, code: Refusal) {
        self.of(device).refuse(code);
    }

    pub(super) fn ignored(&mut self, device: &PeerName) {
        self.of(device).ignored += 1;
    }

    /// The summary, when something changed and it is time.
    fn summary(&mut self, now: Instant, at_once: bool) -> Option<Note> {
        let due = self.reported.is_none_or(|last| now >= last + INTERVAL);
        if !self.changed || !(due || at_once) {
            return None;
        }
        self.changed = false;
        self.reported = Some(now);
        Some(Note::Summary {
            devices: self.devices.clone(),
            unknown: self.unknown,
        })
    }
}

impl Gate {
    /// Messages that were dropped before they reached the state machine, or after they left it.
    pub(super) fn dropped(&mut self, device: &PeerName, from: u64, to: u64) {
        if self.settings.roster.0.contains_key(device) {
            let counts = self.tally.of(device);
            counts.dropped_from += from;
            counts.dropped_to += to;
        } else {
            self.tally.unknown(from);
        }
    }

    /// Says what was refused and dropped so far, once a minute at most; at once when the gate ends.
    pub(super) fn report_tally(&mut self, event: &Event) {
        let at_once = match event {
            Event::Ending => true,
            Event::Tick => false,
            _ => return,
        };
        if let Some(summary) = self.tally.summary(self.now, at_once) {
            self.note(summary);
        }
    }
}
