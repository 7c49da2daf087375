//! The command line and the vault behind it: what they do with the link's words, one step after the other.

use std::collections::VecDeque;

use obscura_local::agent::{LinkCommand, ResumedJob, Wanted};
use obscura_protocol::{
    identity::{Digest, JobId},
    job::{Expected, Receipt, Signed, Ticket},
    message::Lane,
    transfer::chunk_range,
};

use crate::{
    agent::OpenJob,
    compute::{COUNTER, MODEL, MODEL_ID},
    counts::Count,
    gate::{SITE, of_job},
    invariant::Invariant,
    keys::{ITEM_BYTES, PARAMETERS},
    world::{Happening, Truth, World},
};

/// Something the command line has to do.
#[derive(Debug)]
pub(crate) enum Word {
    /// The link wants a chunk of the keys.
    Chunk { object: Digest, index: u32 },
    /// An answer came.
    Answer {
        job: JobId,
        index: u32,
        bytes: Vec<u8>,
        receipt: Vec<u8>,
    },
    /// A job is to be handed to the link.
    Submit {
        ticket: Box<Ticket>,
        items: Vec<Vec<u8>>,
    },
    /// One more item of a job whose items come one by one is to be encrypted.
    Feed(JobId),
    /// The vault accepted the answer to an item: the link forgets it.
    Accepted(JobId, u32),
    /// A result was shown: the vault forgets its job.
    Shown(JobId),
    /// The vault forgot a job: the link forgets it too.
    Settled(JobId),
    /// The journal was read.
    Resumed(Vec<ResumedJob>),
    /// The box refused a job for good.
    JobRefused(JobId),
    /// The box gave an item up; without it the job has no result.
    ItemDead(JobId),
    /// The box refused the device or its keys for good.
    Refused,
}

/// How soon a job is wanted: its random name decides.
pub(crate) fn wanted(job: JobId) -> Wanted {
    let [lane, deadline, ..] = job.0;
    Wanted {
        lane: if lane % 4 == 0 {
            Lane::Urgent
        } else {
            Lane::Routine
        },
        within_s: (deadline % 8 == 0).then_some(20),
    }
}

/// Items of a job at the link at once, where they come one by one.
const ITEMS_AHEAD: usize = 3;

/// Whether a job's items come one by one, as an image's do: its random name decides.
fn streamed(job: JobId, items: u64) -> bool {
    items > 1 && job.0[2].is_multiple_of(2)
}

impl World {
    /// The command line hears a word after those before it.
    pub(crate) fn say(&mut self, device: usize, word: Word) {
        let takes = self.random.between(1, 20);
        let own = &mut self.devices[device];
        if let Some(process) = &mut own.process {
            process.busy_until = process.busy_until.max(self.now) + takes;
            let (at, life) = (process.busy_until, own.life);
            self.at(at, Happening::Desk(device, life, word));
        }
    }

    /// The command line acts.
    pub(crate) fn desk(&mut self, device: usize, life: u64, word: Word) {
        if self.devices[device].process.is_none() || self.devices[device].life != life {
            return;
        }
        match word {
            Word::Chunk { object, index } => {
                let keys = self.devices[device].keys;
                if let Some(range) = chunk_range(keys.header.len_bytes, index) {
                    let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
                    let bytes = keys.bytes[place(range.start)..place(range.end)].to_vec();
                    self.command(device, LinkCommand::Chunk { object, index, bytes });
                }
            }
            Word::Answer {
                job,
                index,
                bytes,
                receipt,
            } => self.accept(device, job, index, &bytes, &receipt),
            Word::Submit { ticket, items } => {
                self.note(device + 1, "submits", "job", of_job(ticket.job));
                let ticket = *ticket;
                let wanted = wanted(ticket.job);
                self.command(
                    device,
                    LinkCommand::Submit {
                        ticket,
                        items,
                        wanted,
                    },
                );
            }
            Word::Shown(job) => {
                if let Some(open) = self.devices[device].vault.remove(&job) {
                    self.note(device + 1, "shows", "job", of_job(job));
                    self.devices[device].records[open.record].done = true;
                    self.say(device, Word::Settled(job));
                }
            }
            Word::Feed(job) => self.feed(device, job),
            Word::Accepted(job, index) => {
                self.command(device, LinkCommand::SettleItem { job, index });
                self.say(device, Word::Feed(job));
            }
            Word::Settled(job) => self.command(device, LinkCommand::Settle { job }),
            Word::Resumed(jobs) => self.resumed(device, &jobs),
            Word::JobRefused(job) => {
                self.counts.one(Count::JobsRefused);
                self.command(device, LinkCommand::Settle { job });
                self.reenter(device, job);
            }
            Word::ItemDead(job) => {
                self.counts.one(Count::ItemsDead);
                self.command(device, LinkCommand::Settle { job });
                self.reenter(device, job);
            }
            Word::Refused => {
                self.counts.one(Count::AgentsRefused);
                self.agent_dies(device);
            }
        }
    }

    /// The vault's rule: a receipt that holds, the first answer of an item, the same one again.
    fn accept(&mut self, device: usize, job: JobId, index: u32, answer: &[u8], receipt: &[u8]) {
        let key_fingerprint = self.devices[device].keys.header.digest;
        let Some(open) = self.devices[device].vault.get_mut(&job) else {
            return;
        };
        let Some(input_hash) = open.inputs.get(index as usize).copied().flatten() else {
            self.broke(Invariant::RightAnswer);
            return;
        };
        let expected = Expected {
            job,
            item: index,
            input_hash,
            model_id: MODEL_ID,
            model_hash: MODEL,
            security_counter: COUNTER,
            parameter_hash: PARAMETERS,
            key_fingerprint,
            box_name: &self.box_name,
        };
        let signed = Signed::<Receipt>::verify(receipt, &self.receipt_key);
        let holds = signed.is_ok_and(|receipt| receipt.statement().check(&expected, answer).is_ok());
        let hash = Digest::of(answer);
        let slot = &mut open.accepted[index as usize];
        let (first, same) = (slot.is_none(), slot.is_none_or(|known| known == hash));
        if !holds || !same {
            if self.unkept_items.contains(&job) {
                // The box answers bytes that the journal lost; the vault refuses, and the user begins anew.
                self.command(device, LinkCommand::Settle { job });
                self.reenter(device, job);
            } else {
                self.broke(Invariant::RightReceipt);
            }
            return;
        }
        *slot = Some(hash);
        let complete = open.accepted.iter().all(Option::is_some);
        let streamed = open.streamed;
        if first {
            self.counts.one(Count::Accepted);
            self.note(device + 1, "accepts", "", of_job(job) ^ u64::from(index));
            self.judge_accepted(device, job, index, answer);
        } else {
            self.counts.one(Count::AcceptedBefore);
        }
        if complete {
            self.say(device, Word::Shown(job));
        } else if streamed {
            self.say(device, Word::Accepted(job, index));
        }
    }

    /// Encrypts the next item of a job, unless enough of them are under way.
    fn feed(&mut self, device: usize, job: JobId) {
        let under_way = self.devices[device].under_way(job);
        let Some(open) = self.devices[device].vault.get_mut(&job) else {
            return;
        };
        if under_way >= ITEMS_AHEAD {
            return;
        }
        let Some(index) = open.unsent.pop_front() else {
            return;
        };
        let bytes = self.random.bytes(ITEM_BYTES);
        // Kept before it leaves, as the vault does.
        open.inputs[index as usize] = Some(Digest::of(&bytes));
        if let Some(truth) = self.jobs.get_mut(&job) {
            truth.items[index as usize].clone_from(&bytes);
        }
        self.command(device, LinkCommand::Item { job, index, bytes });
        self.say(device, Word::Feed(job));
    }

    /// Jobs the vault does not know are over; those the journal does not know were never sent.
    fn resumed(&mut self, device: usize, jobs: &[ResumedJob]) {
        for ResumedJob { job, items } in jobs {
            if self.devices[device].vault.contains_key(job) {
                self.take_up(device, *job, items);
            } else {
                self.command(device, LinkCommand::Settle { job: *job });
            }
        }
        let mut lost: Vec<JobId> = self.devices[device].vault.keys().copied().collect();
        lost.retain(|job| jobs.iter().all(|resumed| resumed.job != *job));
        let streams = |job: &JobId| self.devices[device].vault[job].streamed;
        let (streamed, lost): (Vec<JobId>, Vec<JobId>) = lost.into_iter().partition(streams);
        for job in streamed {
            let ticket = self.devices[device].vault[&job].ticket.clone();
            let items = Vec::new();
            self.say(device, Word::Submit { ticket, items });
            self.take_up(device, job, &[]);
        }
        for job in lost {
            self.counts.one(Count::JobsNeverSent);
            self.reenter(device, job);
        }
        if let Some(process) = &mut self.devices[device].process {
            process.resumed = true;
        }
        for record in 0..self.devices[device].records.len() {
            self.enter(device, record);
        }
    }

    /// Goes on with a job of which the link has these items.
    fn take_up(&mut self, device: usize, job: JobId, there: &[u32]) {
        let Some(open) = self.devices[device].vault.get_mut(&job) else {
            return;
        };
        if !open.streamed {
            return;
        }
        let answered = |index: &u32| open.accepted[*index as usize].is_some();
        let all = 0..u32::try_from(open.accepted.len()).unwrap_or(u32::MAX);
        let (done, left): (Vec<u32>, Vec<u32>) = all.partition(answered);
        open.unsent = left
            .iter()
            .filter(|index| !there.contains(index))
            .copied()
            .collect();
        if left.is_empty() {
            self.say(device, Word::Shown(job));
            return;
        }
        for index in done {
            self.say(device, Word::Accepted(job, index));
        }
        self.say(device, Word::Feed(job));
    }

    /// The vault gives a job up, and the user enters the record again in a while.
    fn reenter(&mut self, device: usize, job: JobId) {
        let Some(open) = self.devices[device].vault.remove(&job) else {
            return;
        };
        self.note(device + 1, "gives up", "job", of_job(job));
        self.devices[device].records[open.record].job = None;
        let at = self.now + self.random.between(500, 5_000);
        self.at(at, Happening::Enter(device, open.record));
    }

    /// The user enters a record, if an agent is there to take it.
    pub(crate) fn enter(&mut self, device: usize, record: usize) {
        let own = &mut self.devices[device];
        let ready = own.process.as_ref().is_some_and(|process| process.resumed);
        let wanted = &mut own.records[record];
        if !ready || !wanted.due || wanted.job.is_some() {
            return;
        }
        let job = JobId(self.random.id());
        wanted.job = Some(job);
        let streamed = streamed(job, wanted.items);
        let items: Vec<Vec<u8>> = (0..wanted.items).map(|_| self.random.bytes(ITEM_BYTES)).collect();
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let ticket = Box::new(Ticket {
            site: SITE,
            device: own.name.clone(),
            job,
            model_hash: MODEL,
            client: own.keys.header.client,
            key_fingerprint: own.keys.header.digest,
            items: count,
        });
        let open = OpenJob {
            record,
            inputs: items
                .iter()
                .map(|item| (!streamed).then(|| Digest::of(item)))
                .collect(),
            accepted: vec![None; items.len()],
            streamed,
            unsent: if streamed {
                (0..count).collect()
            } else {
                VecDeque::new()
            },
            ticket: ticket.clone(),
        };
        own.vault.insert(job, open);
        self.counts.one(Count::Jobs);
        self.counts.many(Count::Items, u64::from(count));
        let truth = Truth {
            device,
            items: items.clone(),
            accepted: vec![0; items.len()],
        };
        self.jobs.insert(job, truth);
        if streamed {
            self.counts.one(Count::JobsStreamed);
            let items = Vec::new();
            self.say(device, Word::Submit { ticket, items });
            self.say(device, Word::Feed(job));
        } else {
            self.say(device, Word::Submit { ticket, items });
        }
    }
}
