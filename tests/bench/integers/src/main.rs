//! `obscura-bench-integers`: the score of `cardio-lr` with tfhe's high-level integers: default parameters,
//! 64-bit signed, all cores. Prints milliseconds per score, the median.
//!
//! A process of its own, so that nothing our kernels fix (the transform plan) is fixed for it, and a package
//! of its own, because only it needs tfhe's integers.

use std::{process::ExitCode, time::Instant};

use obscura_circuit::{Circuit, Linear, Operation};
use tfhe::{ConfigBuilder, FheInt64, generate_keys, prelude::*, set_server_key};

const CIRCUIT: &[u8] = include_bytes!("../../../../models/shipped/cardio-lr/payload/circuit.json");
const WEIGHTS: &[u8] = include_bytes!("../../../../models/shipped/cardio-lr/payload/weights.safetensors");

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum RivalError {
    /// The shipped circuit does not load.
    #[error(transparent)]
    Circuit(#[from] obscura_circuit::CircuitError),
    /// tfhe's integers failed.
    #[error(transparent)]
    Integers(#[from] tfhe::Error),
    /// The result was wrong, so its time means nothing.
    #[error("the score came out as {got} instead of {want}")]
    WrongScore {
        /// What came out.
        got: i64,
        /// What is right.
        want: i64,
    },
    /// The shipped circuit has no linear layer to compare.
    #[error("the circuit has no linear layer")]
    NoScore,
}

fn main() -> ExitCode {
    let printed = measure_ms()
        .map(|ms| std::io::Write::write_all(&mut std::io::stdout(), ms.to_string().as_bytes()).is_ok());
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(70),
        Err(error) => {
            eprintln!("obscura-bench-integers: {error}");
            ExitCode::from(70)
        }
    }
}

fn measure_ms() -> Result<f64, RivalError> {
    let circuit = Circuit::from_parts(CIRCUIT, WEIGHTS)?;
    let (row, bias) = linear(&circuit)
        .and_then(|linear| linear.rows().next())
        .ok_or(RivalError::NoScore)?;
    let clear: Vec<i64> = circuit
        .input_ranges()
        .iter()
        .map(|range| (range.min + 2 * range.max) / 3)
        .collect();
    let (client, server) = generate_keys(ConfigBuilder::default().build());
    set_server_key(server);
    let inputs = clear
        .iter()
        .map(|&x| FheInt64::try_encrypt(x, &client))
        .collect::<Result<Vec<FheInt64>, _>>()?;
    let score = || {
        let products: Vec<FheInt64> = inputs.iter().zip(&row).map(|(x, &w)| x * i64::from(w)).collect();
        // Its own sum over many, which carries once, is its fastest way.
        products.iter().sum::<FheInt64>() + bias
    };
    // The first run is a warm-up.
    let mut sum = score();
    let mut times = [0.0; 3];
    for ms in &mut times {
        let start = Instant::now();
        sum = score();
        *ms = start.elapsed().as_secs_f64() * 1e3;
    }
    times.sort_by(f64::total_cmp);
    let want = row
        .iter()
        .zip(&clear)
        .map(|(&w, &x)| i64::from(w) * x)
        .sum::<i64>()
        + bias;
    match sum.decrypt(&client) {
        got if got == want => Ok(times[1]),
        got => Err(RivalError::WrongScore { got, want }),
    }
}

/// The layer that computes the score.
fn linear(circuit: &Circuit) -> Option<&Linear> {
    circuit.layers().iter().find_map(|layer| match &layer.operation {
        Operation::Linear(linear) => Some(linear),
        _ => None,
    })
}
