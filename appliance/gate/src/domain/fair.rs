//! A bounded queue that serves its owners in turn, however much each of them queues.

use std::collections::{BTreeMap, VecDeque};

/// The owner has as many entries as one owner may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max_entries} entries are already queued")]
pub struct QueueFull {
    /// Entries allowed.
    pub max_entries: usize,
}

/// First in, first out per owner; one entry per owner and round.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    max_per_owner: usize,
    queues: BTreeMap<K, VecDeque<T>>,
    /// Invariant: exactly the owners with entries, the next to be served first.
    turns: VecDeque<K>,
}

impl<K: Ord + Clone, T> FairQueue<K, T> {
    /// An empty queue of `max_per_owner` entries per owner.
    pub fn new(max_per_owner: usize) -> Self {
        Self {
            max_per_owner,
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Appends an entry of `owner`.
    ///
    /// # Errors
    /// [`QueueFull`]; the entry is dropped then.
    pub fn push(&mut self, owner: &K, entry: T) -> Result<(), QueueFull> {
        let queue = self.queues.entry(owner.clone()).or_default();
        if queue.len() >= self.max_per_owner {
            return Err(QueueFull {
                max_entries: self.max_per_owner,
            });
        }
        queue.push_back(entry);
        if queue.len() == 1 {
            self.turns.push_back(owner.clone());
        }
        Ok(())
    }

    /// Puts an entry that was taken back to the very front.
    pub fn push_front(&mut self, owner: &K, entry: T) {
        self.queues.entry(owner.clone()).or_default().push_front(entry);
        self.turns.retain(|turn| turn != owner);
        self.turns.push_front(owner.clone());
    }

    /// Takes the next entry, with its owner.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let owner = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&owner)?;
        let entry = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&owner);
        } else {
            self.turns.push_back(owner.clone());
        }
        Some((owner, entry))
    }

    /// Takes the newest entry of `owner` back out.
    pub fn pop_newest(&mut self, owner: &K) -> Option<T> {
        let queue = self.queues.get_mut(owner)?;
        let entry = queue.pop_back();
        if queue.is_empty() {
            self.queues.remove(owner);
            self.turns.retain(|turn| turn != owner);
        }
        entry
    }

    /// Drops the entries `keep` does not want and returns them.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &T) -> bool) -> Vec<(K, T)> {
        let mut dropped = Vec::new();
        for (owner, queue) in &mut self.queues {
            for entry in std::mem::take(queue) {
                if keep(owner, &entry) {
                    queue.push_back(entry);
                } else {
                    dropped.push((owner.clone(), entry));
                }
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.turns.retain(|owner| self.queues.contains_key(owner));
        dropped
    }

    /// Every entry of every owner.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.values().flatten()
    }

    /// Entries of `owner`, the next one first.
    pub fn of(&self, owner: &K) -> impl Iterator<Item = &T> {
        self.queues.get(owner).into_iter().flatten()
    }

    /// Like [`Self::of`], to be changed in place.
    pub fn of_mut(&mut self, owner: &K) -> impl Iterator<Item = &mut T> {
        self.queues.get_mut(owner).into_iter().flatten()
    }

    /// All entries in the order in which they will be served if nothing is added.
    pub fn order(&self) -> impl Iterator<Item = (&K, &T)> {
        let queues = self
            .turns
            .iter()
            .filter_map(|owner| self.queues.get_key_value(owner));
        let mut waiting: VecDeque<_> = queues.map(|(owner, queue)| (owner, queue.iter())).collect();
        std::iter::from_fn(move || {
            while let Some((owner, mut entries)) = waiting.pop_front() {
                if let Some(entry) = entries.next() {
                    waiting.push_back((owner, entries));
                    return Some((owner, entry));
                }
            }
            None
        })
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn serves_owners_in_turn() {
        let mut queue = FairQueue::new(9);
        for n in 0..3 {
            queue.push(&'a', n).unwrap();
        }
        queue.push(&'b', 10).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [('a', 0), ('b', 10), ('a', 1), ('a', 2)]);
    }

    #[test]
    fn bounds_each_owner_alone() {
        let mut queue = FairQueue::new(1);
        queue.push(&'a', 0).unwrap();
        assert_eq!(queue.push(&'a', 1), Err(QueueFull { max_entries: 1 }));
        queue.push(&'b', 2).unwrap();
        queue.push_front(&'b', 3);
        assert_eq!(queue.pop(), Some(('b', 3)));
    }

    #[test]
    fn an_owner_whose_only_entry_is_taken_back_has_no_turn() {
        let mut queue = FairQueue::new(9);
        queue.push(&'a', 0).unwrap();
        queue.push(&'b', 1).unwrap();
        assert_eq!(queue.pop_newest(&'a'), Some(0));
        assert_eq!(queue.pop_newest(&'a'), None);
        assert_eq!(queue.pop(), Some(('b', 1)));
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn the_order_told_is_the_order_served(
            pushes in prop::collection::vec(0..4_u8, 1..40), before in 0..10_usize,
        ) {
            let mut queue = FairQueue::new(99);
            for (n, owner) in pushes.iter().enumerate() {
                queue.push(owner, n).unwrap();
            }
            for _ in 0..before {
                queue.pop();
            }
            let told: Vec<_> = queue.order().map(|(owner, entry)| (*owner, *entry)).collect();
            let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(told, served);
            prop_assert!(queue.is_empty());
        }
    }
}
