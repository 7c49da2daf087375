//! The sweep: every table precision with the parameters chosen for it, and the choice among them.
//!
//! The rule: of all precisions whose chosen parameters keep the share of changed decisions within the bound, the one of
//! the lowest cost per item; of those within a twentieth of it the finest, because predicted costs and simulated shares
//! say no more. A decision is always held against that of the circuit as the exporter wrote it, in the clear.

use obscura_circuit::Operation;

use crate::{Calibration, Choice, CompileError, Network, Settings, choose};

/// Precisions of the sweep, bits, from fine to coarse.
pub const TABLE_BITS: [u32; 5] = [8, 7, 6, 5, 4];

/// Costs within this share of the lowest count as equal.
const EQUAL_COST: f64 = 0.05;

/// One table precision and what was found for it.
#[derive(Debug)]
pub struct Row {
    /// Bits of the tables; `None` for the circuit as the exporter wrote it.
    pub bits: Option<u32>,
    /// The circuit with such tables.
    pub network: Network,
    /// Share of decisions that the coarser tables change without noise.
    pub changed_clear: f64,
    /// Balanced accuracy without noise; `None` without labels.
    pub accuracy_clear: Option<f64>,
    /// The parameters, or why there are none.
    pub found: Result<Choice, CompileError>,
}

impl Row {
    /// Predicted cost of an item: its look-ups, in units of [`crate::look_up_cost`].
    pub fn cost(&self) -> Option<f64> {
        let choice = self.found.as_ref().ok()?;
        let look_up = choice.frontier.get(choice.index)?.cost;
        Some(look_up * f64::from(u32::try_from(self.network.circuit.look_ups()).unwrap_or(u32::MAX)))
    }

    /// Entries of the largest table.
    pub fn entries(&self) -> usize {
        let layers = self.network.circuit.layers().iter();
        let entries = layers.filter_map(|layer| match &layer.operation {
            Operation::Lut(lut) => Some(lut.entries()),
            Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => None,
        });
        entries.max().unwrap_or(0)
    }

    /// What the tables are called in reports.
    pub fn name(&self) -> String {
        self.bits
            .map_or_else(|| "as exported".to_owned(), |bits| format!("{bits} bits"))
    }
}

/// All rows and the choice.
#[derive(Debug)]
pub struct Sweep {
    /// From fine to coarse, the circuit as exported first. Precisions that change nothing have no row.
    pub rows: Vec<Row>,
    /// Precisions whose circuit does not load, and why.
    pub refused: Vec<(u32, CompileError)>,
    /// Number of the chosen row.
    pub chosen: usize,
}

impl Sweep {
    /// The chosen row and its parameters.
    pub fn chosen(&self) -> Option<(&Row, &Choice)> {
        let row = self.rows.get(self.chosen)?;
        Some((row, row.found.as_ref().ok()?))
    }
}

/// Searches the parameters for `network` as it is and for tables of each of `bits`.
///
/// # Errors
/// That of the circuit as exported, when no row holds the bound.
pub fn sweep(
    network: &Network,
    calibration: &Calibration,
    settings: &Settings,
    bits: &[u32],
    progress: &mut dyn FnMut(&str),
) -> Result<Sweep, CompileError> {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    rows.push(row(None, network.clone(), calibration, settings, progress)?);
    for &bits in bits {
        match network.with_table_bits(bits) {
            Ok(None) => {}
            Ok(Some(coarser)) => rows.push(row(Some(bits), coarser, calibration, settings, progress)?),
            Err(error) => refused.push((bits, error)),
        }
    }
    let costs = rows.iter().filter_map(Row::cost);
    let lowest = costs.fold(f64::INFINITY, f64::min);
    let equal = |row: &Row| row.cost().is_some_and(|cost| cost <= lowest * (1.0 + EQUAL_COST));
    match rows.iter().position(equal) {
        Some(chosen) => Ok(Sweep {
            rows,
            refused,
            chosen,
        }),
        None => Err(rows.swap_remove(0).found.err().unwrap_or(CompileError::NoTable)),
    }
}

fn row(
    bits: Option<u32>,
    network: Network,
    calibration: &Calibration,
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Row, CompileError> {
    progress(&bits.map_or_else(
        || "tables as exported".to_owned(),
        |bits| format!("tables of {bits} bits"),
    ));
    let clear = calibration.clear_values(&network.circuit)?;
    Ok(Row {
        bits,
        changed_clear: calibration.changed(&clear),
        accuracy_clear: calibration.accuracy(&clear),
        found: choose(&network.circuit, calibration, settings, progress),
        network,
    })
}
