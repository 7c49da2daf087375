//! The rollback floors: one record for the whole box, which only ever rises.
//!
//! Knows nothing of where it is kept.

use std::collections::BTreeMap;

/// Most models of one box.
pub const MAX_MODELS: usize = 64;

/// A model or a root is older than one this box has already run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counter {got} of {of} is below the floor {floor}")]
pub struct BelowFloor {
    /// Model id, or `root`.
    pub of: String,
    /// Counter or version found.
    pub got: u32,
    /// Lowest one allowed.
    pub floor: u32,
}

/// The record has no room for another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rollback floors of {MAX_MODELS} models are kept already")]
pub struct FloorFull;

/// Lowest security counter that may run, per model id, and lowest root version that may be believed.
///
/// Invariant: no method lowers any of them; at most [`MAX_MODELS`] models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    root_version: u32,
    models: BTreeMap<String, u32>,
}

impl Floors {
    /// Floors as they were kept; `None` when there are too many.
    pub fn restore(root_version: u32, models: BTreeMap<String, u32>) -> Option<Self> {
        (models.len() <= MAX_MODELS).then_some(Self { root_version, models })
    }

    /// Lowest root version that may be believed.
    pub fn root_version(&self) -> u32 {
        self.root_version
    }

    /// Every model that has a floor, and its floor.
    pub fn models(&self) -> &BTreeMap<String, u32> {
        &self.models
    }

    /// Lowest counter of `model` that may run; 0 for one that never ran here.
    pub fn of(&self, model: &str) -> u32 {
        self.models.get(model).copied().unwrap_or(0)
    }

    /// Lower is refused, equal accepted.
    ///
    /// # Errors
    /// [`BelowFloor`].
    pub fn admits(&self, model: &str, counter: u32) -> Result<(), BelowFloor> {
        at_least(model, counter, self.of(model))
    }

    /// As [`Floors::admits`], for the root.
    ///
    /// # Errors
    /// [`BelowFloor`].
    pub fn admits_root(&self, version: u32) -> Result<(), BelowFloor> {
        at_least("root", version, self.root_version)
    }

    /// Raises the floor of `model`; whether that changed it.
    ///
    /// # Errors
    /// [`FloorFull`] for a further model of a full record.
    pub fn raise(&mut self, model: &str, to: u32) -> Result<bool, FloorFull> {
        if let Some(floor) = self.models.get_mut(model) {
            let rises = to > *floor;
            *floor = to.max(*floor);
            return Ok(rises);
        }
        if self.models.len() == MAX_MODELS {
            return Err(FloorFull);
        }
        self.models.insert(model.to_owned(), to);
        Ok(true)
    }

    /// Raises the floor of the root; whether that changed it.
    pub fn raise_root(&mut self, to: u32) -> bool {
        let rises = to > self.root_version;
        self.root_version = to.max(self.root_version);
        rises
    }
}

fn at_least(of: &str, got: u32, floor: u32) -> Result<(), BelowFloor> {
    if got >= floor {
        return Ok(());
    }
    Err(BelowFloor {
        of: of.to_owned(),
        got,
        floor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_refuses_lower_accepts_equal_and_never_falls() {
        let mut floors = Floors::default();
        assert!(floors.admits("a", 0).is_ok());
        assert_eq!(floors.raise("a", 5), Ok(true));
        assert_eq!(floors.raise("a", 5), Ok(false));
        assert_eq!(floors.raise("a", 3), Ok(false));
        assert_eq!(floors.of("a"), 5);
        assert!(floors.admits("a", 5).is_ok() && floors.admits("a", u32::MAX).is_ok());
        let below = floors.admits("a", 4).unwrap_err();
        assert_eq!((below.got, below.floor), (4, 5));
        assert!(floors.raise_root(3) && !floors.raise_root(2));
        assert!(floors.admits_root(3).is_ok() && floors.admits_root(2).is_err());
    }

    #[test]
    fn the_floor_of_one_model_says_nothing_about_another() {
        let mut floors = Floors::default();
        floors.raise("a", 9).unwrap();
        assert_eq!(floors.of("b"), 0);
        floors.raise("b", 2).unwrap();
        assert_eq!((floors.of("a"), floors.of("b")), (9, 2));
    }

    #[test]
    fn a_full_record_still_raises_what_it_holds() {
        let mut floors = Floors::default();
        for n in 0..MAX_MODELS {
            floors.raise(&format!("m{n}"), 1).unwrap();
        }
        assert_eq!(floors.raise("other", 1), Err(FloorFull));
        assert_eq!(floors.raise("m0", 2), Ok(true));
    }
}
