//! Why a circuit cannot be loaded or evaluated.

/// Why a circuit cannot be loaded or evaluated; names the layer at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// The description is larger than any model of this product.
    #[error("{file} is {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Which of the two files.
        file: &'static str,
        /// Its length.
        got_bytes: usize,
        /// Length allowed.
        max_bytes: usize,
    },
    /// The description is not the JSON form of a circuit.
    #[error("circuit description does not parse")]
    Json(#[from] serde_json::Error),
    /// The weights are not a safetensors file.
    #[error("weights file does not parse")]
    Weights(#[source] safetensors::SafeTensorError),
    /// The description has a format this build does not know.
    #[error("circuit format {got} is unknown, this build reads format {want}")]
    UnknownFormat {
        /// Format found.
        got: u32,
        /// Format read.
        want: u32,
    },
    /// The graph is not one input, some layers and at least one output, or is too long.
    #[error("circuit needs one input first, at least one output and at most {max_layers} layers")]
    BadOutline {
        /// Layers allowed.
        max_layers: usize,
    },
    /// Two layers or two outputs share a name, or a name is empty.
    #[error("layer {layer}: name is empty or used twice")]
    BadName {
        /// The layer.
        layer: Box<str>,
    },
    /// A layer reads a tensor no earlier layer produces.
    #[error("layer {layer}: reads {reads}, which no earlier layer produces")]
    UnknownTensor {
        /// The layer.
        layer: Box<str>,
        /// The tensor it names.
        reads: Box<str>,
    },
    /// A weight tensor is missing or of another type.
    #[error("layer {layer}: tensor {tensor} is missing or not {want}")]
    MissingWeights {
        /// The layer.
        layer: Box<str>,
        /// The tensor it names.
        tensor: Box<str>,
        /// Element type wanted.
        want: &'static str,
    },
    /// Shapes do not fit together.
    #[error("layer {layer}: {what} has {got} elements, {want} are needed")]
    ShapeMismatch {
        /// The layer.
        layer: Box<str>,
        /// What is of the wrong size.
        what: &'static str,
        /// Elements found.
        got: usize,
        /// Elements needed.
        want: usize,
    },
    /// A window, stride, padding or tensor is impossible.
    #[error("layer {layer}: {what} is out of range, {allowed} is allowed")]
    BadShape {
        /// The layer.
        layer: Box<str>,
        /// What is out of range.
        what: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A tensor has another number of dimensions.
    #[error("layer {layer}: weights have {got} dimensions, {want} are needed")]
    BadRank {
        /// The layer.
        layer: Box<str>,
        /// Dimensions found.
        got: usize,
        /// Dimensions needed.
        want: usize,
    },
    /// A window does not fit what it slides over.
    #[error("layer {layer}: {fault}")]
    BadWindow {
        /// The layer.
        layer: Box<str>,
        /// What is wrong with it.
        fault: crate::WindowFault,
    },
    /// The layers up to this one hold more than any model of this product.
    #[error("layer {layer}: more than {max} values in all layers up to here")]
    TooManyValues {
        /// The layer.
        layer: Box<str>,
        /// Values allowed.
        max: usize,
    },
    /// A calibrated table would not saturate: an input beyond its ends comes back as another value.
    #[error("layer {layer}: table {channel} gives {got} at entry {entry}, beyond its end of {want}")]
    NotSaturating {
        /// The layer.
        layer: Box<str>,
        /// Number of the table.
        channel: usize,
        /// Entry beyond the table.
        entry: i64,
        /// What the look-up gives there.
        got: i64,
        /// The table's value at its end.
        want: i64,
    },
    /// An interval is empty.
    #[error("layer {layer}: element {element} has minimum {min} above maximum {max}")]
    EmptyRange {
        /// The layer.
        layer: Box<str>,
        /// Element number.
        element: usize,
        /// Minimum stated.
        min: i64,
        /// Maximum stated.
        max: i64,
    },
    /// A value could leave the 64-bit accumulator.
    #[error("layer {layer}: values can exceed the 62 bits of the accumulator")]
    AccumulatorOverflow {
        /// The layer.
        layer: Box<str>,
    },
    /// A table's step is not positive, or its entries do not cover what can reach it.
    #[error("layer {layer}: table covers {table}, inputs reach {reach}")]
    TableTooNarrow {
        /// The layer.
        layer: Box<str>,
        /// Interval the entries cover.
        table: crate::Interval,
        /// Interval the inputs reach.
        reach: crate::Interval,
    },
    /// An evaluation input is outside its declared range; the value itself is patient data and not named.
    #[error("input {element} is outside {allowed}")]
    InputOutOfRange {
        /// Element number.
        element: usize,
        /// The declared range.
        allowed: crate::Interval,
    },
    /// The number of evaluation inputs is wrong.
    #[error("circuit takes {want} inputs, got {got}")]
    InputCount {
        /// Inputs given.
        got: usize,
        /// Inputs needed.
        want: usize,
    },
    /// Noise figures do not have one entry per tensor and table.
    #[error("the noise figures belong to another circuit")]
    BadFigures,
}
