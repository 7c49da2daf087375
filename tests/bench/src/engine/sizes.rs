//! The sizes both sides are measured at, and what a rotation of them computes.

use obscura_fhe_core::ParameterSet;

use crate::BenchError;

/// Look-ups in a batch.
pub(super) const BATCH: usize = 32;

/// Depth of the rotation's decomposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Levels {
    /// One level of base 2^23.
    One,
    /// Two levels of base 2^15: what large networks need, and what ships.
    Two,
}

impl Levels {
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Two];

    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    pub(super) fn base_log2(self) -> u32 {
        match self {
            Self::One => 23,
            Self::Two => 15,
        }
    }

    /// What the names of its figures end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::One => "_one_level",
            Self::Two => "",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|levels| levels.count().to_string() == text)
    }
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Key switch and rotation, one ciphertext at a time.
    LookUp,
    /// Rotations of a batch.
    Batch,
    /// Key switches, one at a time.
    KeySwitch,
}

impl Work {
    const ALL: [(Self, &'static str); 3] = [
        (Self::LookUp, "look-up"),
        (Self::Batch, "batch"),
        (Self::KeySwitch, "key-switch"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(work, _)| *work == self)
            .map_or("", |(_, name)| name)
    }
}

/// One thing to time; on the way to the rival one line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) levels: Levels,
    /// Threads that work at the same time, each on ciphertexts of its own.
    pub(super) threads: usize,
}

impl Request {
    pub(super) fn line(self) -> String {
        format!("{} {} {}", self.work.name(), self.levels.count(), self.threads)
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let (work, _) = Work::ALL.into_iter().find(|(_, known)| *known == name)?;
        let levels = Levels::parse(words.next()?)?;
        let threads = words
            .next()?
            .parse()
            .ok()
            .filter(|threads| (1..=256).contains(threads))?;
        Some(Self {
            work,
            levels,
            threads,
        })
    }
}

/// Sizes that both sides share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) polynomial_size: usize,
    pub(super) glwe_dimension: usize,
    pub(super) lwe_dimension: usize,
    pub(super) key_switch_base_log2: usize,
    pub(super) key_switch_levels: usize,
    pub(super) glwe_noise_log2: f64,
    pub(super) lwe_noise_log2: f64,
}

impl Sizes {
    pub(super) fn of(set: &ParameterSet) -> Self {
        Self {
            polynomial_size: set.polynomial_size,
            glwe_dimension: set.glwe_dimension,
            lwe_dimension: set.lwe_dimension,
            key_switch_base_log2: set.key_switch_base_log2 as usize,
            key_switch_levels: set.key_switch_levels as usize,
            glwe_noise_log2: set.glwe_noise_log2,
            lwe_noise_log2: set.lwe_noise_log2,
        }
    }

    /// As arguments of a process; [`Self::parse`] reverses it.
    pub(super) fn arguments(&self) -> [String; 7] {
        [
            self.polynomial_size.to_string(),
            self.glwe_dimension.to_string(),
            self.lwe_dimension.to_string(),
            self.key_switch_base_log2.to_string(),
            self.key_switch_levels.to_string(),
            self.glwe_noise_log2.to_string(),
            self.lwe_noise_log2.to_string(),
        ]
    }

    pub(super) fn parse(arguments: &[String]) -> Result<Self, BenchError> {
        let usage = BenchError::Usage {
            usage: "obscura-bench engine-rival N K LWE_DIMENSION BASE_LOG2 LEVELS GLWE_NOISE LWE_NOISE",
        };
        let numbers: Option<Vec<f64>> = arguments.iter().map(|text| text.parse().ok()).collect();
        let Some([n, k, lwe, base, levels, glwe_noise, lwe_noise]) =
            numbers.and_then(|numbers| <[f64; 7]>::try_from(numbers).ok())
        else {
            return Err(usage);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small whole numbers that `arguments` wrote"
        )]
        let whole = |number: f64| number as usize;
        Ok(Self {
            polynomial_size: whole(n),
            glwe_dimension: whole(k),
            lwe_dimension: whole(lwe),
            key_switch_base_log2: whole(base),
            key_switch_levels: whole(levels),
            glwe_noise_log2: glwe_noise,
            lwe_noise_log2: lwe_noise,
        })
    }

    /// Floating-point operations of one rotation with blocks of `block` key bits, in units of 10^9.
    ///
    /// Per block: the products of every digit with every key bit and column (8 per complex multiply-add),
    /// the factors `X^a - 1` of every bit and column (8 each), and the transforms of (k + 1) levels digits
    /// and k + 1 results (5 m log2 m for m = N / 2 complex points). Decomposition, the making of the
    /// factors, twists and rounding are not counted.
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    pub(super) fn rotation_gflop(&self, levels: Levels, block: usize) -> f64 {
        let points = self.polynomial_size / 2;
        let columns = self.glwe_dimension + 1;
        let rows = columns * levels.count();
        let products = 8 * points * block * rows * columns;
        let factors = 8 * points * block * columns;
        let transforms = (rows + columns) * 5 * points * points.ilog2() as usize;
        let blocks = self.lwe_dimension / block.max(1);
        (blocks * (products + factors + transforms)) as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        polynomial_size: 1024,
        glwe_dimension: 2,
        lwe_dimension: 784,
        key_switch_base_log2: 2,
        key_switch_levels: 8,
        glwe_noise_log2: -48.32,
        lwe_noise_log2: -16.74,
    };

    #[test]
    fn sizes_and_requests_survive_the_way_to_the_rival() {
        assert_eq!(Sizes::parse(&SIZES.arguments()).unwrap(), SIZES);
        assert!(Sizes::parse(&SIZES.arguments()[1..]).is_err());
        for (work, _) in Work::ALL {
            for levels in Levels::ALL {
                let request = Request {
                    work,
                    levels,
                    threads: 2,
                };
                assert_eq!(Request::parse(&request.line()), Some(request));
            }
        }
        assert_eq!(Request::parse("look-up 3 1"), None);
        assert_eq!(Request::parse("look-up 1 0"), None);
    }

    #[test]
    fn arithmetic_of_196_blocks_of_4_is_65_mflop_at_one_level() {
        let gflop = SIZES.rotation_gflop(Levels::One, 4);
        assert!((0.065..0.066).contains(&gflop), "{gflop}");
    }
}
