//! Which keys of a root signed some bytes: the one place where signatures are counted.

use obscura_protocol::identity::{Digest, Purpose};

use crate::{
    frame::KeySignature,
    root::{Root, RootKey},
};

/// A signature that bears the name of a key of the root and was not made by it.
pub(crate) struct WrongSignature {
    /// Fingerprint of the key.
    pub(crate) key: Digest,
}

/// The keys of `root` that signed `bytes`, each once; keys outside the root are passed over.
pub(crate) fn signers<'a>(
    root: &'a Root,
    purpose: Purpose,
    bytes: &[u8],
    signatures: &[KeySignature],
) -> Result<Vec<&'a RootKey>, WrongSignature> {
    let mut signed: Vec<&RootKey> = Vec::new();
    for KeySignature { key, signature } in signatures {
        let Some(listed) = root.find(key) else {
            continue;
        };
        listed
            .key
            .verify(purpose, bytes, signature)
            .map_err(|_wrong| WrongSignature { key: *key })?;
        if !signed.contains(&listed) {
            signed.push(listed);
        }
    }
    Ok(signed)
}
