//! How much memory evaluations may use.

/// Bounds from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all loaded keys, bytes.
    pub key_cache_bytes: usize,
    /// Memory of one evaluation and all loaded keys together, bytes.
    pub memory_bytes: usize,
}

/// A model that can never be evaluated within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooDemanding {
    /// One client's keys are larger than the key cache.
    #[error("one client's keys take {} MiB, compute.key_cache_mib allows {}", mib(*keys_bytes), max_bytes >> 20)]
    Keys {
        /// Predicted memory of the keys.
        keys_bytes: usize,
        /// Memory allowed.
        max_bytes: usize,
    },
    /// Evaluation and one client's keys exceed the memory.
    #[error(
        "one evaluation takes {} MiB and one client's keys {} MiB, compute.memory_mib allows {}",
        mib(*evaluation_bytes), mib(*keys_bytes), max_bytes >> 20
    )]
    Memory {
        /// Predicted memory of an evaluation.
        evaluation_bytes: usize,
        /// Predicted memory of the keys.
        keys_bytes: usize,
        /// Memory allowed.
        max_bytes: usize,
    },
}

/// Whole MiB, rounded up: what is needed must never look like what is allowed.
const fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

impl Limits {
    /// Checks that one evaluation and one client's keys fit.
    ///
    /// # Errors
    /// [`TooDemanding`] says which bound is exceeded.
    pub fn admit(&self, evaluation_bytes: usize, keys_bytes: usize) -> Result<(), TooDemanding> {
        if keys_bytes > self.key_cache_bytes {
            return Err(TooDemanding::Keys {
                keys_bytes,
                max_bytes: self.key_cache_bytes,
            });
        }
        if evaluation_bytes.saturating_add(keys_bytes) > self.memory_bytes {
            return Err(TooDemanding::Memory {
                evaluation_bytes,
                keys_bytes,
                max_bytes: self.memory_bytes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn admits_what_fits_to_the_byte_and_names_the_bound_that_is_exceeded() {
        let limits = Limits {
            key_cache_bytes: 4 * MIB,
            memory_bytes: 10 * MIB,
        };
        assert_eq!(limits.admit(6 * MIB, 4 * MIB), Ok(()));
        let keys = limits.admit(0, 4 * MIB + 1).unwrap_err().to_string();
        assert_eq!(
            keys,
            "one client's keys take 5 MiB, compute.key_cache_mib allows 4"
        );
        let memory = limits.admit(6 * MIB + 1, 4 * MIB).unwrap_err().to_string();
        assert_eq!(
            memory,
            "one evaluation takes 7 MiB and one client's keys 4 MiB, compute.memory_mib allows 10"
        );
        assert!(limits.admit(usize::MAX, 1).is_err());
    }
}
