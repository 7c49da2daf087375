//! tfhe's own key switch and bootstrap, measured on request in a process of its own.
//!
//! Keys are generated, and buffers are used, as tfhe's documentation recommends: transforms planned once (by
//! its own timing), scratch memory allocated once. A look-up whose result is wrong ends the process.

use std::io::{BufRead as _, Write as _};

use tfhe::core_crypto::prelude::*;

use super::sizes::{BATCH, Levels, Request, Sizes, Work};
use crate::{BenchError, timing::Spent};

/// Argument of the process that measures tfhe.
pub(crate) const RIVAL: &str = "engine-rival";
/// Look-ups or key switches one at a time, per thread and request.
const ONE_BY_ONE: usize = 8;
/// Four message bits with the padding bit above them.
const DELTA_LOG2: usize = 59;

/// Measures what each line of standard input asks for and prints wall and processor milliseconds per
/// ciphertext, a line each.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn serve(sizes: &[String]) -> Result<String, BenchError> {
    let keys = Keys::generate(Sizes::parse(sizes)?);
    let talk = |source| BenchError::Process { name: RIVAL, source };
    let mut out = std::io::stdout();
    writeln!(out, "ready").map_err(talk)?;
    for line in std::io::stdin().lock().lines() {
        let request = Request::parse(&line.map_err(talk)?).ok_or(BenchError::NoFigure { name: RIVAL })?;
        let Spent { wall_ms, cpu_ms } = keys.measure(request)?;
        writeln!(out, "{wall_ms} {cpu_ms}").map_err(talk)?;
    }
    Ok(String::new())
}

/// Keys of both shapes, and one encrypted message.
struct Keys {
    large: LweSecretKeyOwned<u64>,
    key_switch: LweKeyswitchKeyOwned<u64>,
    one_level: FourierLweBootstrapKeyOwned,
    two_levels: FourierLweBootstrapKeyOwned,
    input: LweCiphertextOwned<u64>,
    message: u64,
    table: GlweCiphertextOwned<u64>,
}

impl Keys {
    fn generate(sizes: Sizes) -> Self {
        let mut seeder = new_seeder();
        let seeder = seeder.as_mut();
        let mut secrets = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let mut encryption = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed(), seeder);
        let modulus = CiphertextModulus::new_native();
        let noise = |log2: f64| Gaussian::from_dispersion_parameter(StandardDev(log2.exp2()), 0.0);
        let (glwe_noise, lwe_noise) = (noise(sizes.glwe_noise_log2), noise(sizes.lwe_noise_log2));
        let polynomial_size = PolynomialSize(sizes.polynomial_size);
        let glwe_dimension = GlweDimension(sizes.glwe_dimension);
        let small =
            allocate_and_generate_new_binary_lwe_secret_key(LweDimension(sizes.lwe_dimension), &mut secrets);
        let glwe =
            allocate_and_generate_new_binary_glwe_secret_key(glwe_dimension, polynomial_size, &mut secrets);
        let mut bootstrap = |levels: Levels| {
            let standard = par_allocate_and_generate_new_lwe_bootstrap_key(
                &small,
                &glwe,
                DecompositionBaseLog(levels.base_log2() as usize),
                DecompositionLevelCount(levels.count()),
                glwe_noise,
                modulus,
                &mut encryption,
            );
            let mut fourier = FourierLweBootstrapKeyOwned::new(
                standard.input_lwe_dimension(),
                standard.glwe_size(),
                standard.polynomial_size(),
                standard.decomposition_base_log(),
                standard.decomposition_level_count(),
            );
            par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut fourier);
            fourier
        };
        let (one_level, two_levels) = (bootstrap(Levels::One), bootstrap(Levels::Two));
        let large = glwe.into_lwe_secret_key();
        let key_switch = allocate_and_generate_new_lwe_keyswitch_key(
            &large,
            &small,
            DecompositionBaseLog(sizes.key_switch_base_log2),
            DecompositionLevelCount(sizes.key_switch_levels),
            lwe_noise,
            modulus,
            &mut encryption,
        );
        let message = 3;
        let plaintext = Plaintext(message << DELTA_LOG2);
        let input =
            allocate_and_encrypt_new_lwe_ciphertext(&large, plaintext, glwe_noise, modulus, &mut encryption);
        let table = generate_programmable_bootstrap_glwe_lut(
            polynomial_size,
            glwe_dimension.to_glwe_size(),
            1 << (63 - DELTA_LOG2),
            modulus,
            1 << DELTA_LOG2,
            |x: u64| x,
        );
        Self {
            large,
            key_switch,
            one_level,
            two_levels,
            input,
            message,
            table,
        }
    }

    fn bootstrap(&self, levels: Levels) -> &FourierLweBootstrapKeyOwned {
        match levels {
            Levels::One => &self.one_level,
            Levels::Two => &self.two_levels,
        }
    }

    /// Time per ciphertext, all threads together.
    fn measure(&self, request: Request) -> Result<Spent, BenchError> {
        let mut workers: Vec<Worker> = (0..request.threads)
            .map(|_| Worker::new(self, request.levels))
            .collect();
        let (spent, ()) = Spent::on(|| {
            std::thread::scope(|scope| {
                for worker in &mut workers {
                    scope.spawn(|| worker.run(self, request));
                }
            });
        });
        if request.work != Work::KeySwitch {
            workers
                .iter()
                .try_for_each(|worker| worker.check(self, request.work))?;
        }
        let each = if request.work == Work::Batch {
            BATCH
        } else {
            ONE_BY_ONE
        };
        Ok(spent.each_of(each * request.threads))
    }

    /// Fails unless the ciphertext holds the message that went in.
    fn expect(&self, words: &[u64]) -> Result<(), BenchError> {
        let ciphertext = LweCiphertext::from_container(words.to_vec(), CiphertextModulus::new_native());
        let phase = decrypt_lwe_ciphertext(&self.large, &ciphertext).0;
        let got = phase.wrapping_add(1 << (DELTA_LOG2 - 1)) >> DELTA_LOG2;
        if got == self.message {
            return Ok(());
        }
        Err(BenchError::WrongResult {
            who: "tfhe",
            got: got.cast_signed(),
            want: self.message.cast_signed(),
        })
    }
}

/// Ciphertexts and buffers of one thread.
struct Worker {
    inputs: Vec<LweCiphertextOwned<u64>>,
    small: LweCiphertextOwned<u64>,
    outputs: Vec<LweCiphertextOwned<u64>>,
    batch_inputs: LweCiphertextListOwned<u64>,
    batch_tables: GlweCiphertextListOwned<u64>,
    batch_outputs: LweCiphertextListOwned<u64>,
    fft: Fft,
    buffers: ComputationBuffers,
}

impl Worker {
    fn new(keys: &Keys, levels: Levels) -> Self {
        let modulus = CiphertextModulus::new_native();
        let key = keys.bootstrap(levels);
        let (glwe_size, polynomial_size) = (key.glwe_size(), key.polynomial_size());
        let small_size = key.input_lwe_dimension().to_lwe_size();
        let large_size = key.output_lwe_dimension().to_lwe_size();
        let mut small = LweCiphertext::new(0, small_size, modulus);
        keyswitch_lwe_ciphertext(&keys.key_switch, &keys.input, &mut small);
        let fft = Fft::new(polynomial_size);
        let mut buffers = ComputationBuffers::new();
        let single = programmable_bootstrap_lwe_ciphertext_mem_optimized_requirement::<u64>(
            glwe_size,
            polynomial_size,
            fft.as_view(),
        );
        let batch = batch_programmable_bootstrap_lwe_ciphertext_mem_optimized_requirement::<u64>(
            glwe_size,
            polynomial_size,
            CiphertextCount(BATCH),
            fft.as_view(),
        );
        buffers.resize(
            single
                .unaligned_bytes_required()
                .max(batch.unaligned_bytes_required()),
        );
        Self {
            inputs: vec![keys.input.clone(); ONE_BY_ONE],
            outputs: vec![LweCiphertext::new(0, large_size, modulus); ONE_BY_ONE],
            batch_inputs: LweCiphertextList::from_container(
                small.as_ref().repeat(BATCH),
                small_size,
                modulus,
            ),
            batch_tables: GlweCiphertextList::from_container(
                keys.table.as_ref().repeat(BATCH),
                glwe_size,
                polynomial_size,
                modulus,
            ),
            batch_outputs: LweCiphertextList::new(0, large_size, LweCiphertextCount(BATCH), modulus),
            small,
            fft,
            buffers,
        }
    }

    fn run(&mut self, keys: &Keys, request: Request) {
        let key = keys.bootstrap(request.levels);
        match request.work {
            Work::KeySwitch => {
                for input in &self.inputs {
                    keyswitch_lwe_ciphertext(&keys.key_switch, input, &mut self.small);
                }
            }
            Work::LookUp => {
                for (input, output) in self.inputs.iter().zip(&mut self.outputs) {
                    keyswitch_lwe_ciphertext(&keys.key_switch, input, &mut self.small);
                    programmable_bootstrap_lwe_ciphertext_mem_optimized(
                        &self.small,
                        output,
                        &keys.table,
                        key,
                        self.fft.as_view(),
                        self.buffers.stack(),
                    );
                }
            }
            Work::Batch => batch_programmable_bootstrap_lwe_ciphertext_mem_optimized(
                &self.batch_inputs,
                &mut self.batch_outputs,
                &self.batch_tables,
                key,
                self.fft.as_view(),
                self.buffers.stack(),
            ),
        }
    }

    fn check(&self, keys: &Keys, work: Work) -> Result<(), BenchError> {
        if work == Work::Batch {
            self.batch_outputs
                .iter()
                .try_for_each(|output| keys.expect(output.into_container()))
        } else {
            self.outputs
                .iter()
                .try_for_each(|output| keys.expect(output.as_ref()))
        }
    }
}
