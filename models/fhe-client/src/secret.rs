//! The secret keys of one client for one parameter set.

use obscura_fhe_core::{ParameterSet, pack, packed_len, unpack};
use tfhe::core_crypto::prelude::{GlweSecretKey, LweSecretKey, PolynomialSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ClientError, draw::block_binary, entropy::OsSeeder};

const MAGIC: [u8; 4] = *b"OSK1";
const HEADER_BYTES: usize = 4 + 32;

/// The two uniform binary secrets of one client: the small one of dimension n and the large one of
/// dimension k N.
///
/// Wiped on drop; neither `Clone` nor printable.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKeys {
    #[zeroize(skip)]
    parameters: ParameterSet,
    small: Vec<u64>,
    large: Vec<u64>,
}

impl SecretKeys {
    /// Draws fresh secrets, seeded by the operating system.
    ///
    /// # Errors
    /// [`ClientError::DeviceEntropy`].
    pub fn generate(parameters: &ParameterSet) -> Result<Self, ClientError> {
        let mut seeder = OsSeeder::new()?;
        let mut keys = Self {
            parameters: parameters.clone(),
            small: vec![0; parameters.lwe_dimension],
            large: vec![0; parameters.large_dimension()],
        };
        block_binary(&mut keys.small, 1, &mut seeder);
        block_binary(&mut keys.large, 1, &mut seeder);
        Ok(keys)
    }

    /// The parameters.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// The secrets for sealed storage: magic, parameter hash, one bit per key bit.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bits = Zeroizing::new(
            self.small
                .iter()
                .chain(&self.large)
                .map(|b| b << 63)
                .collect::<Vec<_>>(),
        );
        let packed = Zeroizing::new(pack(bits.iter().copied(), 1));
        let mut out = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + packed.len()));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.parameters.hash());
        out.extend_from_slice(&packed);
        out
    }

    /// Reads secrets that [`Self::to_bytes`] wrote for `parameters`.
    ///
    /// # Errors
    /// [`ClientError::DeviceKeyFormat`] for anything else.
    pub fn from_bytes(parameters: &ParameterSet, bytes: &[u8]) -> Result<Self, ClientError> {
        let count = parameters.lwe_dimension + parameters.large_dimension();
        let (header, packed) = bytes
            .split_at_checked(HEADER_BYTES)
            .ok_or(ClientError::DeviceKeyFormat)?;
        let known = header[..4] == MAGIC && header[4..] == parameters.hash();
        if !known || packed.len() != packed_len(count, 1) {
            return Err(ClientError::DeviceKeyFormat);
        }
        let mut bits = Zeroizing::new(unpack(packed, count, 1).ok_or(ClientError::DeviceKeyFormat)?);
        bits.iter_mut().for_each(|bit| *bit >>= 63);
        let (small, large) = bits.split_at(parameters.lwe_dimension);
        Ok(Self {
            parameters: parameters.clone(),
            small: small.to_vec(),
            large: large.to_vec(),
        })
    }

    pub(crate) fn small(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(&self.small)
    }

    pub(crate) fn large(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(&self.large)
    }

    pub(crate) fn large_glwe(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(
            self.large.as_slice(),
            PolynomialSize(self.parameters.polynomial_size),
        )
    }

    pub(crate) fn small_bits(&self) -> &[u64] {
        &self.small
    }

    pub(crate) fn large_bits(&self) -> &[u64] {
        &self.large
    }
}

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKeys")
            .field("parameters", &self.parameters.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parameters;

    #[test]
    fn survives_storage_and_refuses_anything_else() {
        let parameters = parameters();
        let keys = SecretKeys::generate(&parameters).unwrap();
        let bytes = keys.to_bytes();
        let back = SecretKeys::from_bytes(&parameters, &bytes).unwrap();
        assert_eq!((&back.small, &back.large), (&keys.small, &keys.large));
        assert!(SecretKeys::from_bytes(&parameters, &bytes[1..]).is_err());
        assert!(SecretKeys::from_bytes(&parameters, &bytes[..bytes.len() - 1]).is_err());
        assert!(SecretKeys::from_bytes(&parameters, &[]).is_err());
    }

    #[test]
    fn secrets_are_balanced_bits_and_fresh_each_time() {
        let parameters = parameters();
        let [a, b] = [(); 2].map(|()| SecretKeys::generate(&parameters).unwrap());
        assert_ne!(a.large, b.large);
        assert!(a.large.iter().all(|&bit| bit <= 1));
        let ones: u64 = a.large.iter().sum();
        // Eight deviations of a fair coin thrown 2,048 times are 181.
        assert!((1024 - 181..=1024 + 181).contains(&ones), "{ones}");
    }

    #[test]
    fn debug_prints_no_key_bit() {
        let keys = SecretKeys::generate(&parameters()).unwrap();
        assert_eq!(
            format!("{keys:?}"),
            "SecretKeys { parameters: \"record-2048\", .. }"
        );
    }
}
