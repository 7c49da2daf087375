//! A cache limited in bytes that forgets what was used longest ago.

/// The value is larger than the whole cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got_bytes} bytes do not fit a cache of {max_bytes}")]
pub struct DoesNotFit {
    /// Size of the value.
    pub got_bytes: usize,
    /// Size of the cache.
    pub max_bytes: usize,
}

/// A few large values with their sizes.
#[derive(Debug)]
pub struct ByteCache<K, V> {
    max_bytes: usize,
    /// Invariant: the least recently used first, sizes summing to at most `max_bytes`.
    entries: Vec<(K, V, usize)>,
}

impl<K: PartialEq, V> ByteCache<K, V> {
    /// An empty cache of `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            entries: Vec::new(),
        }
    }

    /// The value of `key`, which becomes the most recently used.
    pub fn find(&mut self, key: &K) -> Option<&V> {
        let at = self.entries.iter().position(|(k, ..)| k == key)?;
        let entry = self.entries.remove(at);
        self.entries.push(entry);
        self.entries.last().map(|(_, value, _)| value)
    }

    /// Like [`Self::find`], and forgets others until all sizes sum to at most `max_bytes` or only this value is
    /// left. Also says how much is used then.
    pub fn find_within(&mut self, key: &K, max_bytes: usize) -> Option<(&V, usize)> {
        self.find(key)?;
        while self.entries.len() > 1 && self.used_bytes() > max_bytes {
            self.entries.remove(0);
        }
        let used_bytes = self.used_bytes();
        self.entries.last().map(|(_, value, _)| (value, used_bytes))
    }

    /// Puts `value` of `size_bytes` in, forgetting others as needed.
    ///
    /// # Errors
    /// [`DoesNotFit`]; the cache is unchanged then.
    pub fn insert(&mut self, key: K, value: V, size_bytes: usize) -> Result<(), DoesNotFit> {
        if size_bytes > self.max_bytes {
            return Err(DoesNotFit {
                got_bytes: size_bytes,
                max_bytes: self.max_bytes,
            });
        }
        self.entries.retain(|(k, ..)| *k != key);
        self.make_room(size_bytes);
        self.entries.push((key, value, size_bytes));
        Ok(())
    }

    /// Forgets the least recently used until `size_bytes` fit, or nothing is left.
    pub fn make_room(&mut self, size_bytes: usize) {
        while !self.entries.is_empty() && self.used_bytes().saturating_add(size_bytes) > self.max_bytes {
            self.entries.remove(0);
        }
    }

    /// Forgets the value of `key`, if there is one.
    pub fn forget(&mut self, key: &K) {
        self.entries.retain(|(k, ..)| k != key);
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> usize {
        self.entries.iter().map(|&(_, _, size)| size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_least_recently_used_and_never_exceeds_its_size() {
        let mut cache = ByteCache::new(10);
        cache.insert(1, "a", 4).unwrap();
        cache.insert(2, "b", 4).unwrap();
        assert_eq!(cache.find(&1), Some(&"a"));
        cache.insert(3, "c", 4).unwrap();
        assert_eq!(cache.find(&2), None);
        assert_eq!(cache.find(&1), Some(&"a"));
        assert_eq!(cache.used_bytes(), 8);
        cache.insert(4, "d", 10).unwrap();
        let found = [1, 3, 4].map(|key| cache.find(&key).copied());
        assert_eq!(found, [None, None, Some("d")]);
    }

    #[test]
    fn gives_memory_back_but_never_the_value_that_is_asked_for() {
        let mut cache = ByteCache::new(12);
        for (key, value) in [(1, "a"), (2, "b"), (3, "c")] {
            cache.insert(key, value, 4).unwrap();
        }
        assert_eq!(cache.find_within(&9, 0), None);
        assert_eq!(cache.find_within(&1, 12), Some((&"a", 12)));
        assert_eq!(cache.find_within(&1, 8), Some((&"a", 8)));
        assert_eq!(cache.find(&2), None, "the least recently used went");
        assert_eq!(cache.find_within(&1, 3), Some((&"a", 4)));
        assert_eq!(cache.find(&3), None);
    }

    #[test]
    fn forgets_what_it_is_told_to() {
        let mut cache = ByteCache::new(10);
        cache.insert('a', 1, 4).unwrap();
        cache.insert('b', 2, 4).unwrap();
        cache.forget(&'a');
        cache.forget(&'c');
        assert_eq!(cache.find(&'a'), None);
        assert_eq!(cache.find(&'b'), Some(&2));
        assert_eq!(cache.used_bytes(), 4);
    }

    #[test]
    fn refuses_what_can_never_fit_and_keeps_the_rest() {
        let mut cache = ByteCache::new(10);
        cache.insert(1, "a", 4).unwrap();
        assert_eq!(
            cache.insert(2, "b", 11),
            Err(DoesNotFit {
                got_bytes: 11,
                max_bytes: 10
            })
        );
        assert_eq!(cache.find(&1), Some(&"a"));
    }

    #[test]
    fn replacing_a_value_frees_its_size() {
        let mut cache = ByteCache::new(10);
        cache.insert(1, "a", 9).unwrap();
        cache.insert(1, "b", 10).unwrap();
        assert_eq!((cache.used_bytes(), cache.find(&1)), (10, Some(&"b")));
    }
}
