//! A bounded buffer of messages, emptied in turn: who fills it loses own messages, never those of others.

use std::collections::BTreeMap;

use super::fair::FairQueue;

/// Bytes a message costs beside its own: so that a flood of empty ones is bounded, too.
const MESSAGE_BYTES: usize = 256;

/// How much a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages of one owner.
    pub owner_messages: usize,
    /// Bytes of one owner's messages.
    pub owner_bytes: usize,
    /// Bytes of all messages.
    pub total_bytes: usize,
}

/// Messages by owner. When all of it is full, whoever holds most gives way.
#[derive(Debug)]
pub struct Shares<K> {
    bounds: Bounds,
    queue: FairQueue<K, Vec<u8>>,
    /// Invariant: the cost of each owner's messages, and of all.
    held: BTreeMap<K, usize>,
    total: usize,
    dropped: BTreeMap<K, u64>,
}

impl<K: Ord + Clone> Shares<K> {
    /// An empty buffer.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            queue: FairQueue::new(bounds.owner_messages),
            held: BTreeMap::new(),
            total: 0,
            dropped: BTreeMap::new(),
        }
    }

    /// Whether `owner` may add a message of this length without any being dropped.
    pub fn has_room(&self, owner: &K, len_bytes: usize) -> bool {
        self.has_own_room(owner, len_bytes) && self.total + cost(len_bytes) <= self.bounds.total_bytes
    }

    fn has_own_room(&self, owner: &K, len_bytes: usize) -> bool {
        self.held_by(owner) + cost(len_bytes) <= self.bounds.owner_bytes
            && self.queue.of(owner).count() < self.bounds.owner_messages
    }

    fn held_by(&self, owner: &K) -> usize {
        self.held.get(owner).copied().unwrap_or_default()
    }

    /// Adds a message, or drops and counts it when its owner's share is full. When the whole buffer is,
    /// the newest messages of whoever holds most are dropped and counted, which may be this one.
    pub fn push(&mut self, owner: &K, message: Vec<u8>) {
        let cost = cost(message.len());
        if !self.has_own_room(owner, message.len()) || !self.make_room(owner, cost) {
            self.count_dropped(owner);
            return;
        }
        // The bound on messages was looked at above.
        if self.queue.push(owner, message).is_ok() {
            *self.held.entry(owner.clone()).or_default() += cost;
            self.total += cost;
        }
    }

    /// Makes room for `cost` bytes of `owner`; `false` when nobody holds more than the owner would.
    fn make_room(&mut self, owner: &K, cost: usize) -> bool {
        while self.total + cost > self.bounds.total_bytes {
            let most = self.held.iter().max_by_key(|(_, held)| **held);
            let Some((largest, held)) = most.map(|(largest, held)| (largest.clone(), *held)) else {
                return false;
            };
            if held <= self.held_by(owner) + cost {
                return false;
            }
            let Some(message) = self.queue.pop_newest(&largest) else {
                return false;
            };
            self.gone(&largest, message.len());
            self.count_dropped(&largest);
        }
        true
    }

    /// Takes the next message: one of each owner per round.
    pub fn pop(&mut self) -> Option<(K, Vec<u8>)> {
        let (owner, message) = self.queue.pop()?;
        self.gone(&owner, message.len());
        Some((owner, message))
    }

    fn gone(&mut self, owner: &K, len_bytes: usize) {
        let cost = cost(len_bytes);
        self.total -= cost;
        if let Some(held) = self.held.get_mut(owner) {
            *held -= cost;
            if *held == 0 {
                self.held.remove(owner);
            }
        }
    }

    /// Empties the buffer without counting.
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }

    /// Counts a message of `owner` as dropped.
    pub fn count_dropped(&mut self, owner: &K) {
        *self.dropped.entry(owner.clone()).or_default() += 1;
    }

    /// Messages dropped since the last call, by owner.
    pub fn take_dropped(&mut self) -> BTreeMap<K, u64> {
        std::mem::take(&mut self.dropped)
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

fn cost(len_bytes: usize) -> usize {
    len_bytes + MESSAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        owner_messages: 4,
        owner_bytes: 3 * (MESSAGE_BYTES + 100),
        total_bytes: 5 * (MESSAGE_BYTES + 100),
    };

    fn dropped(shares: &mut Shares<char>) -> Vec<(char, u64)> {
        shares.take_dropped().into_iter().collect()
    }

    #[test]
    fn a_full_share_loses_its_own_newest_messages() {
        let mut shares = Shares::new(BOUNDS);
        for n in 0..5 {
            shares.push(&'a', vec![n; 100]);
        }
        shares.push(&'b', vec![9; 100]);
        assert_eq!(dropped(&mut shares), [('a', 2)]);
        assert_eq!(dropped(&mut shares), []);
        let order: Vec<_> = std::iter::from_fn(|| shares.pop()).map(|(_, m)| m[0]).collect();
        assert_eq!(order, [0, 9, 1, 2]);
    }

    #[test]
    fn empty_messages_count_too() {
        let mut shares = Shares::new(BOUNDS);
        for _ in 0..9 {
            shares.push(&'a', Vec::new());
        }
        assert_eq!(dropped(&mut shares), [('a', 5)]);
    }

    #[test]
    fn a_full_buffer_takes_from_whoever_holds_most() {
        let mut shares = Shares::new(BOUNDS);
        for owner in ['a', 'b'] {
            for n in 0..2 {
                shares.push(&owner, vec![n; 100]);
            }
        }
        shares.push(&'a', vec![2; 100]);
        // Everything is full: a holds three, and gives one up.
        shares.push(&'c', vec![7; 100]);
        assert_eq!(dropped(&mut shares), [('a', 1)]);
        // b would then hold more than anybody.
        shares.push(&'b', vec![8; 100]);
        assert_eq!(dropped(&mut shares), [('b', 1)]);
        assert!(!shares.has_room(&'d', 100));
        shares.clear();
        assert!(shares.has_room(&'d', 100) && shares.is_empty());
    }

    proptest! {
        #[test]
        fn whoever_stays_within_an_equal_part_loses_nothing(
            flood in prop::collection::vec((0..3_u8, 0..300_usize), 0..60),
        ) {
            let mut shares = Shares::new(BOUNDS);
            // One message is less than a quarter of everything, and three others flood.
            shares.push(&9, vec![1; 50]);
            for (owner, len) in flood {
                shares.push(&owner, vec![0; len]);
                prop_assert!(shares.total <= BOUNDS.total_bytes);
                prop_assert_eq!(shares.total, shares.held.values().sum::<usize>());
            }
            prop_assert!(!shares.take_dropped().contains_key(&9));
            let popped: Vec<_> = std::iter::from_fn(|| shares.pop()).collect();
            prop_assert_eq!(popped.iter().filter(|(owner, _)| *owner == 9).count(), 1);
            prop_assert_eq!(shares.total, 0);
        }
    }
}
