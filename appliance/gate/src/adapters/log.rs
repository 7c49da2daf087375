//! Notes as log lines: names and numbers, never payloads.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use obscura_protocol::identity::PeerName;

use crate::{
    domain::Throttle,
    ports::{Counts, Note},
};

/// How often refusals of one device are mentioned; the summary has their numbers.
const REFUSED_INTERVAL: Duration = Duration::from_secs(10);
/// Devices a summary names, those with most first.
const MAX_NAMED: usize = 8;

/// The log, which no device can fill.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Invariant: devices of the roster only, because others are not refused by name.
    refused: BTreeMap<PeerName, Throttle>,
}

impl Log {
    /// Writes one note, unless it is one of many alike.
    pub(super) fn write(&mut self, note: &Note) {
        let Note::Refused { device, code } = note else {
            write(note);
            return;
        };
        let throttle = || Throttle::new(REFUSED_INTERVAL);
        let throttle = self.refused.entry(device.clone()).or_insert_with(throttle);
        if let Some(messages) = throttle.hit(Instant::now()) {
            tracing::warn!(%device, reason = %code, messages, "refused");
        }
    }
}

/// The devices with most refused and dropped messages, and what of each.
fn named(devices: &BTreeMap<PeerName, Counts>) -> String {
    let mut most: Vec<_> = devices.iter().collect();
    most.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.total()));
    let mut text: Vec<String> = most
        .iter()
        .take(MAX_NAMED)
        .map(|(name, c)| line(name, c))
        .collect();
    if let Some(others) = most.get(MAX_NAMED..).filter(|others| !others.is_empty()) {
        let total: u64 = others.iter().map(|(_, counts)| counts.total()).sum();
        text.push(format!("{} others: {total}", others.len()));
    }
    text.join("; ")
}

fn line(device: &PeerName, counts: &Counts) -> String {
    let reasons = counts.refused().iter();
    let mut parts: Vec<String> = reasons.map(|(code, count)| format!("{code:?} {count}")).collect();
    for (what, count) in [
        ("ignored", counts.ignored),
        ("not heard", counts.dropped_from),
        ("not taken", counts.dropped_to),
    ] {
        if count > 0 {
            parts.push(format!("{what} {count}"));
        }
    }
    format!("{device}: {}", parts.join(", "))
}

fn write(note: &Note) {
    match note {
        Note::UnknownDevices { messages } => {
            tracing::warn!(messages, "messages on topics of devices outside the roster");
        }
        Note::Unauthenticated {
            messages,
            device,
            code,
        } => tracing::warn!(messages, %device, reason = %code, "messages without a proven sender"),
        // Throttled above.
        Note::Refused { .. } => {}
        Note::SessionOpened { device } => tracing::info!(%device, "session opened"),
        Note::KeysStored {
            device,
            client,
            len_bytes,
        } => {
            tracing::info!(%device, client = %format_args!("{client:.8}"), len_bytes, "keys stored");
        }
        Note::KeysRemoved { device, client } => {
            tracing::info!(%device, client = %format_args!("{client:.8}"), "keys removed");
        }
        Note::BundleStored {
            device,
            object,
            len_bytes,
        } => {
            let object = format_args!("{object:.16}");
            tracing::info!(%device, %object, len_bytes, "model bundle waits for the next start");
        }
        Note::BundleDropped { device, object } => {
            tracing::info!(%device, object = %format_args!("{object:.16}"), "model bundle dropped");
        }
        Note::JobAccepted { device, job, items } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), items, "job accepted");
        }
        Note::ItemAnswered { device, job, item } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), item, "item answered");
        }
        Note::ItemDead {
            device,
            job,
            item,
            code,
        } => {
            tracing::warn!(%device, job = %format_args!("{job:.8}"), item, reason = %code, "item given up");
        }
        Note::ItemStopped {
            device,
            job,
            item,
            why,
        } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), item, reason = ?why, "item stopped");
        }
        Note::WorkRepeated { attempts } => tracing::warn!(attempts, "work is queued again"),
        Note::Summary { devices, unknown } => {
            let total = unknown + devices.values().map(Counts::total).sum::<u64>();
            tracing::warn!(total, unknown, devices = %named(devices), "refused and dropped since the start");
        }
    }
}

#[cfg(test)]
mod tests {
    use obscura_protocol::message::Refusal;

    use super::*;

    #[test]
    fn a_summary_names_those_with_most_first_and_counts_the_others() {
        let mut devices = BTreeMap::new();
        for n in 0..10_u64 {
            let mut counts = Counts::default();
            (0..=n).for_each(|_| counts.refuse(Refusal::Replayed));
            devices.insert(format!("device-{n}").parse().unwrap(), counts);
        }
        let worst = devices.last_entry().unwrap().into_mut();
        worst.refuse(Refusal::Busy);
        worst.dropped_from = 7;
        let text = named(&devices);
        assert!(
            text.starts_with("device-9: Replayed 10, Busy 1, not heard 7; device-8: Replayed 9; "),
            "{text}"
        );
        assert!(text.ends_with("; 2 others: 3"), "{text}");
    }
}
