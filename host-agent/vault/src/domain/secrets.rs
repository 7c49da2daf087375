//! What the password protects.

use std::fmt;

use obscura_protocol::{identity::Digest, transfer::ObjectHeader};
use zeroize::Zeroizing;

/// The secret keys of one parameter set, and the public object that belongs to them.
pub struct KeySet {
    /// The evaluation key object; its digest is the key fingerprint.
    pub object: ObjectHeader,
    /// The model the keys were made for.
    pub model_id: String,
    /// The secret keys, opaque here.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({:.16})", self.object.digest)
    }
}

/// Everything in the secret file.
pub struct Secrets {
    /// Invariant: at most one set per parameter hash. Sets never share a secret.
    pub key_sets: Vec<KeySet>,
    /// Random key under which the list of open jobs is sealed.
    pub jobs_key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.key_sets).finish()
    }
}

impl Secrets {
    /// The keys for these parameters.
    pub fn keys_for(&self, parameter_hash: Digest) -> Option<&KeySet> {
        self.key_sets
            .iter()
            .find(|set| set.object.parameter_hash == parameter_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use obscura_protocol::{identity::ClientId, transfer::ObjectKind};

    #[test]
    fn debug_shows_the_public_part_only() {
        let secrets = Secrets {
            key_sets: vec![KeySet {
                object: ObjectHeader {
                    kind: ObjectKind::EvaluationKeys,
                    digest: Digest([0xab; 32]),
                    len_bytes: 1,
                    client: ClientId([1; 16]),
                    parameter_hash: Digest([2; 32]),
                },
                model_id: "m".into(),
                secret: Zeroizing::new(vec![77; 4]),
            }],
            jobs_key: Zeroizing::new([88; 32]),
        };
        assert_eq!(format!("{secrets:?}"), "Secrets([KeySet(abababababababab)])");
    }
}
