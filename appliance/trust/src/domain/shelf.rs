//! Which verified models are offered. Knows nothing of files or formats.

use std::collections::BTreeMap;

/// A verified model, as the shelf needs to know it.
pub trait Entry {
    /// Model id from the manifest.
    fn model_id(&self) -> &str;
    /// SHA-256 of the manifest.
    fn model_hash(&self) -> [u8; 32];
    /// Security counter from the manifest.
    fn security_counter(&self) -> u32;
    /// Lowest protocol version the model can be used with.
    fn min_protocol(&self) -> u16;
}

/// Why a verified model is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotShelved {
    /// The model asks for a later protocol.
    #[error("the model needs protocol version {needs}, this box speaks {speaks}")]
    PeerProtocol {
        /// Version needed.
        needs: u16,
        /// Version spoken.
        speaks: u16,
    },
    /// Another bundle of the same model id has a counter at least as high.
    #[error("security counter {counter} does not exceed the {other} of another bundle of this model")]
    PeerOlder {
        /// This bundle's counter.
        counter: u32,
        /// The other bundle's counter.
        other: u32,
    },
}

/// The models offered, one per model id: of several, the one with the highest security counter.
#[derive(Debug)]
pub struct Shelf<M> {
    models: BTreeMap<[u8; 32], M>,
    protocol: u16,
}

impl<M: Entry> Shelf<M> {
    /// An empty shelf of a box that speaks `protocol`.
    pub fn new(protocol: u16) -> Self {
        Self {
            models: BTreeMap::new(),
            protocol,
        }
    }

    /// Adds a model and returns the older one it displaces.
    ///
    /// # Errors
    /// [`NotShelved`]; the shelf is unchanged then.
    pub fn add(&mut self, model: M) -> Result<Option<M>, NotShelved> {
        if model.min_protocol() > self.protocol {
            return Err(NotShelved::PeerProtocol {
                needs: model.min_protocol(),
                speaks: self.protocol,
            });
        }
        let same_id = self
            .models
            .values()
            .find(|other| other.model_id() == model.model_id());
        let displaced = same_id.map(|other| (other.model_hash(), other.security_counter()));
        if let Some((_, other)) = displaced
            && other >= model.security_counter()
        {
            let counter = model.security_counter();
            return Err(NotShelved::PeerOlder { counter, other });
        }
        let displaced = displaced.and_then(|(hash, _)| self.models.remove(&hash));
        self.models.insert(model.model_hash(), model);
        Ok(displaced)
    }

    /// The model with this manifest hash.
    pub fn find(&self, model_hash: &[u8; 32]) -> Option<&M> {
        self.models.get(model_hash)
    }

    /// All models, in the order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.models.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Fake(&'static str, u8, u32, u16);

    impl Entry for Fake {
        fn model_id(&self) -> &str {
            self.0
        }
        fn model_hash(&self) -> [u8; 32] {
            [self.1; 32]
        }
        fn security_counter(&self) -> u32 {
            self.2
        }
        fn min_protocol(&self) -> u16 {
            self.3
        }
    }

    #[test]
    fn offers_only_the_highest_counter_of_a_model_whatever_the_order() {
        let mut shelf = Shelf::new(1);
        assert_eq!(shelf.add(Fake("a", 1, 5, 1)), Ok(None));
        assert_eq!(
            shelf.add(Fake("a", 2, 5, 1)),
            Err(NotShelved::PeerOlder { counter: 5, other: 5 })
        );
        assert_eq!(shelf.add(Fake("a", 3, 6, 1)), Ok(Some(Fake("a", 1, 5, 1))));
        assert_eq!(shelf.add(Fake("b", 4, 1, 1)), Ok(None));
        assert_eq!(shelf.iter().count(), 2);
        assert!(shelf.find(&[1; 32]).is_none() && shelf.find(&[3; 32]).is_some());
    }

    #[test]
    fn refuses_a_model_of_a_later_protocol() {
        assert_eq!(
            Shelf::new(1).add(Fake("a", 1, 1, 2)),
            Err(NotShelved::PeerProtocol { needs: 2, speaks: 1 })
        );
    }
}
