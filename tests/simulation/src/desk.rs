//! The command line and the vault behind it: what they do with the link's words, one step after the other.

use obscura_local::agent::{LinkCommand, Wanted};
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
    /// A result was shown: the vault forgets its job.
    Shown(JobId),
    /// The vault forgot a job: the link forgets it too.
    Settled(JobId),
    /// The journal was read.
    Resumed(Vec<JobId>),
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
            Word::Settled(job) => self.command(device, LinkCommand::Settle { job }),
            Word::Resumed(jobs) => self.resumed(device, &jobs),
            Word::JobRefused(job) => {
                self.counts.one(Count::JobsRefused);
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
        let Some(input_hash) = open.inputs.get(index as usize).copied() else {
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
            self.broke(Invariant::RightReceipt);
            return;
        }
        *slot = Some(hash);
        let complete = open.accepted.iter().all(Option::is_some);
        if first {
            self.counts.one(Count::Accepted);
            self.note(device + 1, "accepts", "", of_job(job) ^ u64::from(index));
            self.judge_accepted(device, job, index, answer);
        } else {
            self.counts.one(Count::AcceptedBefore);
        }
        if complete {
            self.say(device, Word::Shown(job));
        }
    }

    /// Jobs the vault does not know are over; those the journal does not know were never sent.
    fn resumed(&mut self, device: usize, jobs: &[JobId]) {
        for job in jobs {
            if !self.devices[device].vault.contains_key(job) {
                self.command(device, LinkCommand::Settle { job: *job });
            }
        }
        let own = &mut self.devices[device];
        let lost: Vec<JobId> = own
            .vault
            .keys()
            .filter(|job| !jobs.contains(job))
            .copied()
            .collect();
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
        let items: Vec<Vec<u8>> = (0..wanted.items).map(|_| self.random.bytes(ITEM_BYTES)).collect();
        let inputs = items.iter().map(|item| Digest::of(item)).collect();
        let accepted = vec![None; items.len()];
        let open = OpenJob {
            record,
            inputs,
            accepted,
        };
        own.vault.insert(job, open);
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
        self.counts.one(Count::Jobs);
        self.counts.many(Count::Items, u64::from(count));
        let truth = Truth {
            device,
            items: items.clone(),
            accepted: vec![0; items.len()],
        };
        self.jobs.insert(job, truth);
        self.say(device, Word::Submit { ticket, items });
    }
}
