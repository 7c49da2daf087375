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

    /// The next entry of every owner, to be changed in place, and how many entries come before it.
    pub fn heads(&mut self) -> Vec<(K, usize, &mut T)> {
        let turns: BTreeMap<K, usize> = self.turns.iter().cloned().zip(0..).collect();
        let heads = self.queues.iter_mut();
        heads
            .filter_map(|(owner, queue)| {
                let ahead = turns.get(owner).copied()?;
                queue.front_mut().map(|entry| (owner.clone(), ahead, entry))
            })
            .collect()
    }

    /// Entries that are served before the entry of `owner` at `position` in its own queue.
    pub fn ahead(&self, owner: &K, position: usize) -> usize {
        let mut before = true;
        let mut ahead = position;
        for turn in &self.turns {
            if turn == owner {
                before = false;
                continue;
            }
            let rounds = position + usize::from(before);
            ahead += self.queues.get(turn).map_or(0, |queue| queue.len().min(rounds));
        }
        ahead
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

    proptest! {
        #[test]
        fn ahead_is_the_number_of_entries_served_before(pushes in prop::collection::vec((0..4_u8, any::<u8>()), 1..40)) {
            let mut queue = FairQueue::new(99);
            for (n, (owner, _)) in pushes.iter().enumerate() {
                queue.push(owner, n).unwrap();
            }
            let mut predicted = BTreeMap::new();
            for owner in 0..4_u8 {
                for (position, entry) in queue.of(&owner).enumerate() {
                    predicted.insert(*entry, queue.ahead(&owner, position));
                }
            }
            let mut served = 0;
            while let Some((_, entry)) = queue.pop() {
                prop_assert_eq!(predicted[&entry], served);
                served += 1;
            }
            prop_assert_eq!(served, pushes.len());
        }
    }
}
