//! What devices hear about their work without asking: positions, remaining times, deadlines, dead letters.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use obscura_protocol::{
    identity::{Digest, JobId, PeerName},
    message::{BoxMessage, Phase, Refusal},
};

use super::{Gate, gate::Reject, jobs::Outlook, peers::Peer};
use crate::ports::{Note, Stop};

/// First protocol version with outlooks and dead letters.
const OUTLOOKS: u16 = 2;
/// A remaining time is told again when it is off by a tenth of itself.
const SHARE: u32 = 10;

/// A job's place in the queue, found in one pass over it.
#[derive(Clone, Copy)]
struct Place {
    /// Items before its first one.
    ahead: u32,
    /// Time until its last item that waits is computed.
    until: Option<Duration>,
    /// Items of it that wait or are computed.
    here: u32,
}

impl Gate {
    fn hears(&self, device: &PeerName) -> bool {
        self.peers.get(device).map_or(0, Peer::version) >= OUTLOOKS
    }

    /// Tells every device whose next item moved how many are still before it.
    pub(super) fn report_queue(&mut self) {
        let mut seen = BTreeSet::new();
        let order = self.work.items.order().enumerate();
        let heads = order.filter(|(_, (device, item))| seen.insert((*device, item.lane())));
        let moved: Vec<_> = heads
            .map(|(before, (device, item))| {
                (
                    device.clone(),
                    item.job,
                    item.index,
                    self.work.ahead(before),
                    item.told_ahead,
                )
            })
            .filter(|(_, _, _, ahead, told)| *told != Some(*ahead))
            .collect();
        for (device, job, index, ahead, _) in moved {
            self.work.told(&device, job, index, ahead);
            let phase = Phase::Queued { ahead };
            self.send(&device, &BoxMessage::Progress { job, index, phase });
        }
    }

    /// Tells every device whose jobs' prospects changed.
    pub(super) fn report_outlooks(&mut self) {
        let places = self.places();
        let (now, mut news) = (self.now, Vec::new());
        for (device, id, job) in self.jobs.all_mut() {
            let Some(place) = places.get(&(device.clone(), id)) else {
                continue;
            };
            // What the device has not sent yet comes behind what it has.
            let missing = (job.items as usize).saturating_sub(job.finished.len() + place.here as usize);
            let missing = u32::try_from(missing).unwrap_or(u32::MAX);
            let each = match missing {
                0 => Some(Duration::ZERO),
                _ => self.work.speed.of(&job.model_hash),
            };
            let left = place.until.zip(each);
            let left = left.map(|(until, each)| until.saturating_add(each.saturating_mul(missing)));
            let outlook = Outlook {
                ahead: place.ahead,
                left_s: left.map(whole_seconds),
            };
            let expected = job.told.map(|(since, told)| {
                let passed = whole_seconds(now.saturating_duration_since(since));
                let left_s = told.left_s.map(|left| left.saturating_sub(passed));
                Outlook { left_s, ..told }
            });
            if expected.is_none_or(|expected| differ(expected, outlook)) {
                job.told = Some((now, outlook));
                news.push((device.clone(), id, outlook));
            }
        }
        for (device, job, Outlook { ahead, left_s }) in news {
            if self.hears(&device) {
                self.send(&device, &BoxMessage::Outlook { job, ahead, left_s });
            }
        }
    }

    /// Where every job with an item here stands.
    fn places(&self) -> BTreeMap<(PeerName, JobId), Place> {
        let computed = self.work.computed();
        let mut places = BTreeMap::new();
        let mut until = Some(Duration::ZERO);
        if let Some(computed) = computed {
            until = computed.left(&self.work.speed, self.now);
            let place = Place {
                ahead: 0,
                until,
                here: 1,
            };
            places.insert((computed.device.clone(), computed.item.job), place);
        }
        for (before, (device, item)) in self.work.items.order().enumerate() {
            let model = self.jobs.find(device, item.job).map(|job| job.model_hash);
            let each = model.and_then(|model| self.work.speed.of(&model));
            until = until.zip(each).map(|(until, each)| until.saturating_add(each));
            let key = (device.clone(), item.job);
            let place = places.entry(key).or_insert_with(|| Place {
                ahead: self.work.ahead(before),
                until,
                here: 0,
            });
            place.until = until;
            place.here += 1;
        }
        places
    }

    /// Gives up the jobs whose deadline is over.
    pub(super) fn stop_late(&mut self) {
        for (device, job) in self.jobs.late(self.now) {
            self.jobs.remove(&device, job);
            self.withdraw(&device, job, Stop::Late);
            self.refuse(&device, 0, Reject::of(Refusal::Overdue, job));
        }
    }

    /// Gives an item up for good and says so; the others of its job go on.
    pub(super) fn bury(&mut self, device: &PeerName, letter: (JobId, u32, Digest), code: Refusal) {
        let (job, item, _) = letter;
        self.note(Note::ItemDead {
            device: device.clone(),
            job,
            item,
            code,
        });
        // An older device would ask again and again; it tries the whole job a few times and gives up itself.
        if self.hears(device) {
            self.jobs.bury(device, letter, code);
        }
        self.tell_dead(device, job, item, code);
    }

    pub(super) fn tell_dead(&mut self, device: &PeerName, job: JobId, index: u32, code: Refusal) {
        if self.hears(device) {
            self.send(device, &BoxMessage::Dead { job, index, code });
        } else {
            self.refuse(device, 0, Reject::of(code, job));
        }
    }
}

/// Seconds, begun ones counted.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Whether a device should hear of the difference.
fn differ(expected: Outlook, now: Outlook) -> bool {
    let times = match (expected.left_s, now.left_s) {
        (Some(a), Some(b)) => a.abs_diff(b) > (a.max(b) / SHARE).max(1),
        (a, b) => a != b,
    };
    times || expected.ahead != now.ahead
}
