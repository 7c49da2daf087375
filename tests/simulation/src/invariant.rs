//! What must hold at every step of a run.

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invariant {
    /// An item was accepted a second time.
    #[error("an item was accepted twice")]
    AcceptedOnce,
    /// The link reported two answers of one item in one life.
    #[error("the link told two answers of one item")]
    ToldOnce,
    /// An answer is not the reference function of what this device encrypted for this job and item.
    #[error("an answer is not the one of this device's job and item")]
    RightAnswer,
    /// A receipt does not hold.
    #[error("the receipt of an answer does not hold")]
    RightReceipt,
    /// Compute was asked to evaluate bytes the device did not encrypt for this job and item.
    #[error("compute was given an item its device did not encrypt")]
    RightItem,
    /// Keys were recorded as conforming, or used, while their bytes differ from what their name says.
    #[error("keys were taken although their hash is wrong")]
    KeysEqual,
    /// A bitmap on disk claims a chunk that is not there.
    #[error("a stored bitmap claims a chunk that is not there")]
    BitmapHonest,
    /// A message changed in transit, or of another device's topic, was taken.
    #[error("an altered or misdelivered message was taken")]
    AlteredRefused,
    /// A message of a session was taken a second time.
    #[error("a replayed message was taken")]
    ReplayRefused,
    /// Compute was given an item that the same gate had answered.
    #[error("compute was given an item that was answered")]
    EvaluatedOnce,
    /// The gate lost an item it was to have evaluated, and told nobody.
    #[error("an item was forgotten when compute died")]
    NotForgotten,
    /// Compute was given a task while it had one.
    #[error("compute was given two tasks at once")]
    OneTask,
    /// The gate holds more than its bounds allow.
    #[error("the gate holds more than its bounds allow")]
    GateBounded,
    /// The link holds more than its bounds allow.
    #[error("the link holds more than its bounds allow")]
    LinkBounded,
    /// The link holds a job that is not in its journal.
    #[error("a job was taken up before the journal had it")]
    JournalFirst,
    /// The link wants to be woken at once, again and again.
    #[error("the link asks to be woken without a pause")]
    NoSpin,
    /// A job, or a device, was refused for a reason that no fault explains.
    #[error("the box refused for good what was right")]
    NoWrongRefusal,
    /// A process panicked.
    #[error("a state machine panicked")]
    NoPanic,
    /// After the faults stopped, something is not finished in time.
    #[error("not everything finished after the faults had stopped")]
    Progress,
}
