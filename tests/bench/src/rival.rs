//! The same score with tfhe's high-level integers: default parameters, 64-bit signed, all cores.

use tfhe::{ConfigBuilder, FheInt64, generate_keys, prelude::*, set_server_key};

use crate::{BenchError, ours::Model, timing::median_ms};

/// Milliseconds per score, median.
///
/// # Errors
/// [`BenchError`], also when the decrypted score is wrong.
pub(crate) fn measure_ms(model: &Model) -> Result<f64, BenchError> {
    let (client, server) = generate_keys(ConfigBuilder::default().build());
    set_server_key(server);
    let inputs = model
        .inputs
        .iter()
        .map(|&x| FheInt64::try_encrypt(x, &client))
        .collect::<Result<Vec<FheInt64>, _>>()?;
    let (row, bias) = model.linear()?.rows().next().ok_or(BenchError::NoScore)?;
    let score = || {
        let products: Vec<FheInt64> = inputs.iter().zip(row).map(|(x, &w)| x * i64::from(w)).collect();
        // Its own sum over many, which carries once, is its fastest way.
        Ok::<_, BenchError>(products.iter().sum::<FheInt64>() + bias)
    };
    let (ms, sum) = median_ms(1, 3, score)?;
    let (got, want): (i64, i64) = (sum.decrypt(&client), model.score()?);
    if got != want {
        return Err(BenchError::WrongScore {
            who: "tfhe",
            got,
            want,
        });
    }
    Ok(ms)
}
