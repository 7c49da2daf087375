//! The secret keys of one client for one parameter set.

use obscura_fhe_core::{Packing, ParameterSet, pack, packed_len, unpack};
use tfhe::core_crypto::prelude::{GlweSecretKey, LweSecretKey, PolynomialSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    ClientError,
    draw::{block_binary, is_block_binary},
    entropy::OsSeeder,
};

const MAGIC: [u8; 4] = *b"OSK1";
const HEADER_BYTES: usize = 4 + 32;

/// The secrets of one client: the small one of dimension n, the large one of dimension k N and, where the set
/// packs answers, one of dimension `k_p * N_p`.
///
/// The small one is block binary, in each block at most one bit is 1; the others are uniform binary.
///
/// Wiped on drop; neither `Clone` nor printable.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKeys {
    #[zeroize(skip)]
    parameters: ParameterSet,
    small: Vec<u64>,
    large: Vec<u64>,
    /// Invariant: empty without packing.
    packing: Vec<u64>,
}

impl SecretKeys {
    /// Draws fresh secrets, seeded by the operating system.
    ///
    /// # Errors
    /// [`ClientError::DeviceEntropy`].
    pub fn generate(parameters: &ParameterSet) -> Result<Self, ClientError> {
        let mut seeder = OsSeeder::new()?;
        let mut keys = Self::zero(parameters);
        block_binary(&mut keys.small, parameters.lwe_block, &mut seeder);
        block_binary(&mut keys.large, 1, &mut seeder);
        block_binary(&mut keys.packing, 1, &mut seeder);
        Ok(keys)
    }

    /// Buffers to draw or read secrets into, so that these never lie anywhere else.
    fn zero(parameters: &ParameterSet) -> Self {
        let packing = parameters.packing.as_ref().map_or(0, Packing::dimension);
        Self {
            small: vec![0; parameters.lwe_dimension],
            large: vec![0; parameters.large_dimension()],
            packing: vec![0; packing],
            parameters: parameters.clone(),
        }
    }

    /// The parameters.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// The secrets for sealed storage: magic, parameter hash, one bit per key bit.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bits = Zeroizing::new([&*self.small, &self.large, &self.packing].concat());
        let packed = Zeroizing::new(pack(bits.iter().map(|bit| bit << 63), 1));
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
        let mut keys = Self::zero(parameters);
        let count = keys.small.len() + keys.large.len() + keys.packing.len();
        let (header, packed) = bytes
            .split_at_checked(HEADER_BYTES)
            .ok_or(ClientError::DeviceKeyFormat)?;
        let known = header[..4] == MAGIC && header[4..] == parameters.hash();
        if !known || packed.len() != packed_len(count, 1) {
            return Err(ClientError::DeviceKeyFormat);
        }
        let bits = Zeroizing::new(unpack(packed, count, 1).ok_or(ClientError::DeviceKeyFormat)?);
        let secrets = [&mut keys.small, &mut keys.large, &mut keys.packing];
        for (to, from) in secrets.into_iter().flatten().zip(bits.iter()) {
            *to = from >> 63;
        }
        if !is_block_binary(&keys.small, parameters.lwe_block) {
            return Err(ClientError::DeviceKeyFormat);
        }
        Ok(keys)
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

    /// Empty without packing.
    pub(crate) fn packing_bits(&self) -> &[u64] {
        &self.packing
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
    use crate::testing::{image_parameters, parameters};

    fn bits(keys: &SecretKeys) -> [&[u64]; 3] {
        [&keys.small, &keys.large, &keys.packing]
    }

    #[test]
    fn survives_storage_and_refuses_other_lengths_and_parameters() {
        let sets = [parameters(), image_parameters()];
        for (set, other) in sets.iter().zip(sets.iter().rev()) {
            let keys = SecretKeys::generate(set).unwrap();
            let bytes = keys.to_bytes();
            assert_eq!(bits(&SecretKeys::from_bytes(set, &bytes).unwrap()), bits(&keys));
            let longer = [bytes.as_slice(), &[0]].concat();
            for bad in [
                &[],
                &bytes[1..],
                &bytes[..bytes.len() - 1],
                &bytes[..HEADER_BYTES],
                &longer,
            ] {
                assert!(SecretKeys::from_bytes(set, bad).is_err());
            }
            assert!(SecretKeys::from_bytes(other, &bytes).is_err());
        }
    }

    #[test]
    fn stored_bytes_without_packing_are_header_small_and_large_secret() {
        let set = parameters();
        // 2,948 bits: 368 bytes and a half.
        let body: Vec<u8> = (0..368_u32).map(|i| i.to_le_bytes()[0] ^ 0x35).collect();
        let bytes = [&b"OSK1"[..], &set.hash(), &body, &[0x0a]].concat();
        let keys = SecretKeys::from_bytes(&set, &bytes).unwrap();
        assert_eq!(keys.small[..8], [1, 0, 1, 0, 1, 1, 0, 0]);
        assert_eq!(keys.large[2044..], [0, 1, 0, 1]);
        assert_eq!(*keys.to_bytes(), bytes);
    }

    #[test]
    fn refuses_two_ones_in_a_block() {
        let set = image_parameters();
        let mut bytes = SecretKeys::generate(&set).unwrap().to_bytes();
        // The second and the fourth bit of the second block of four.
        bytes[HEADER_BYTES] = 0b1010_0000;
        assert!(SecretKeys::from_bytes(&set, &bytes).is_err());
        // One on each side of a border between blocks.
        bytes[HEADER_BYTES] = 0b0001_1000;
        assert!(SecretKeys::from_bytes(&set, &bytes).is_ok());
    }

    #[test]
    fn small_secret_has_the_blocks_of_the_set() {
        let set = image_parameters();
        let keys = SecretKeys::generate(&set).unwrap();
        assert!(is_block_binary(&keys.small, set.lwe_block));
        assert!(!is_block_binary(&keys.large, set.lwe_block));
        let ones: u64 = keys.small.iter().sum();
        // 200 blocks, each without a 1 once in five: mean 160, eight deviations are 46.
        assert!((114..=200).contains(&ones), "{ones}");
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
