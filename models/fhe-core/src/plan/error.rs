//! Why a circuit cannot be evaluated under a parameter set.

/// Why a circuit cannot be evaluated under a parameter set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor is read by tables of different steps.
    #[error("layer {layer}: its table has another step than an earlier table on the same values")]
    ConflictingSteps {
        /// The later table.
        layer: Box<str>,
    },
    /// The values need more of the torus than there is.
    #[error("layer {layer}: its values do not fit the torus")]
    TooWide {
        /// The layer.
        layer: Box<str>,
    },
    /// The predicted noise would spoil an output.
    #[error("output {output}: neighbouring values are {deviations:.1} deviations apart, {want} are needed")]
    TooNoisy {
        /// The output.
        output: Box<str>,
        /// Half a step over the predicted deviation.
        deviations: f64,
        /// Deviations needed.
        want: f64,
    },
    /// The noise of a table's inputs leaves too little of its precision.
    #[error(
        "layer {layer}: look-ups deviate by {sigma_entries:.1} entries, at most {max_entries:.1} are tolerable"
    )]
    LookUpTooNoisy {
        /// The table.
        layer: Box<str>,
        /// Predicted deviation, in entries.
        sigma_entries: f64,
        /// Deviation tolerated, in entries.
        max_entries: f64,
    },
    /// A table's inputs come too close to its ends, where noise would wrap around.
    #[error("layer {layer}: table leaves {free} entries beside its inputs, {want} are needed")]
    NoMargin {
        /// The table.
        layer: Box<str>,
        /// Free entries on the narrower side.
        free: i64,
        /// Entries needed.
        want: i64,
    },
    /// A saturating table's expected inputs come, with their noise, to where it no longer saturates.
    #[error(
        "layer {layer}: with a margin of {margin} entries expected inputs reach entry {entry}, where the table has wrapped around"
    )]
    Wraps {
        /// The table.
        layer: Box<str>,
        /// The entry, below 0 or from the table's length on.
        entry: i64,
        /// Entries of noise allowed for.
        margin: i64,
    },
    /// A table has more entries than the rotation has positions.
    #[error("layer {layer}: {entries} entries do not divide {positions} positions")]
    TableTooFine {
        /// The table.
        layer: Box<str>,
        /// Its entries.
        entries: usize,
        /// Positions of half the torus.
        positions: usize,
    },
}
