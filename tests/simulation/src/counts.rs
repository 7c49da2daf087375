//! What is counted over a run and over a campaign.

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count {
            $($(#[$doc])* $name,)*
        }

        impl Count {
            /// All of them, with their names in reports.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, $text),)*];
        }
    };
}

counts! {
    /// Records the users wanted answered.
    Records "records",
    /// Jobs the agents opened for them.
    Jobs "jobs",
    /// Jobs whose items came one by one.
    JobsStreamed "jobs_streamed",
    /// Items of these jobs.
    Items "items",
    /// Items accepted, each once.
    Accepted "accepted",
    /// Answers that came again for an item accepted in an earlier life of the agent.
    AcceptedBefore "accepted_before",
    /// Jobs refused for good; their records were entered again.
    JobsRefused "jobs_refused",
    /// Items the box gave up; their records were entered again.
    ItemsDead "items_dead",
    /// Jobs lost before they were sent; their records were entered again.
    JobsNeverSent "jobs_never_sent",
    /// Agents that ended because the box refused the device or its keys.
    AgentsRefused "agents_refused",
    /// Key objects the box found whole.
    KeysStored "keys_stored",
    /// Chunks sent.
    Chunks "chunks",
    /// Items evaluated.
    Evaluated "evaluated",
    /// Messages sent, both ways.
    Messages "messages",
    /// Messages that never arrived: lost, cut off, or for a process that was gone.
    MessagesLost "messages_lost",
    /// Messages that arrived twice.
    MessagesDuplicated "messages_duplicated",
    /// Messages overtaken or held up.
    MessagesReordered "messages_reordered",
    /// Messages whose bytes were changed.
    MessagesAltered "messages_altered",
    /// Messages repeated up to two minutes later.
    MessagesReplayed "messages_replayed",
    /// Messages that came out on the topic of another device.
    MessagesMisdelivered "messages_misdelivered",
    /// Devices cut off.
    Cuts "cuts",
    /// Restarts of the broker.
    BrokerRestarts "broker_restarts",
    /// Restarts of the gate's process.
    GateRestarts "gate_restarts",
    /// Power cuts of the box.
    PowerCuts "power_cuts",
    /// Restarts of an agent.
    AgentRestarts "agent_restarts",
    /// Restarts of compute.
    ComputeRestarts "compute_restarts",
    /// Evaluations that failed or found no memory.
    EvaluationsFailed "evaluations_failed",
    /// Key objects damaged on the box's disk.
    Rotted "rotted",
    /// Changes of the box's store that failed.
    StoreFailures "store_failures",
    /// Things that happened in all.
    Events "events",
}

/// How often each thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u64; Count::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Count::ALL.len()])
    }
}

impl Counts {
    /// One more.
    pub(crate) fn one(&mut self, count: Count) {
        self.many(count, 1);
    }

    /// So many more.
    pub(crate) fn many(&mut self, count: Count, more: u64) {
        self.0[count as usize] += more;
    }

    /// How often.
    pub fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// Processes and machines that were stopped and started.
    pub fn restarts(&self) -> u64 {
        let kinds = [
            Count::BrokerRestarts,
            Count::GateRestarts,
            Count::PowerCuts,
            Count::AgentRestarts,
            Count::ComputeRestarts,
        ];
        kinds.iter().map(|kind| self.of(*kind)).sum()
    }
}
