//! Two fair queues, of which the urgent one goes first without ever stopping the other.

use obscura_protocol::message::Lane;

use super::fair::{FairQueue, QueueFull};

/// Urgent entries in a row after which a waiting routine one is served.
const URGENT_IN_A_ROW: usize = 3;

/// A bounded queue with an urgent lane. Within a lane owners are served in turn.
#[derive(Debug)]
pub struct Lanes<K, T> {
    max_per_owner: usize,
    urgent: FairQueue<K, T>,
    routine: FairQueue<K, T>,
    /// Urgent entries served since the last routine one; at most [`URGENT_IN_A_ROW`].
    in_a_row: usize,
}

impl<K: Ord + Clone, T> Lanes<K, T> {
    /// An empty queue that holds `max_per_owner` entries of each owner, in both lanes together.
    pub fn new(max_per_owner: usize) -> Self {
        Self {
            max_per_owner,
            urgent: FairQueue::new(max_per_owner),
            routine: FairQueue::new(max_per_owner),
            in_a_row: 0,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut FairQueue<K, T> {
        match lane {
            Lane::Urgent => &mut self.urgent,
            _ => &mut self.routine,
        }
    }

    /// Adds an entry behind all others of its owner in this lane.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn push(&mut self, lane: Lane, owner: &K, entry: T) -> Result<(), QueueFull> {
        if self.of(owner).count() >= self.max_per_owner {
            return Err(QueueFull {
                max_entries: self.max_per_owner,
            });
        }
        self.lane_mut(lane).push(owner, entry)
    }

    /// Puts an entry back that was taken out, as the next of its lane.
    pub fn push_front(&mut self, lane: Lane, owner: &K, entry: T) {
        self.lane_mut(lane).push_front(owner, entry);
    }

    /// Takes the next entry out.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let turn_of_routine = self.in_a_row >= URGENT_IN_A_ROW || self.urgent.is_empty();
        if turn_of_routine && !self.routine.is_empty() {
            self.in_a_row = 0;
            return self.routine.pop();
        }
        self.in_a_row = URGENT_IN_A_ROW.min(self.in_a_row + 1);
        self.urgent.pop()
    }

    /// Keeps the entries for which `keep` holds, and returns the others.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &T) -> bool) -> Vec<(K, T)> {
        let mut dropped = self.urgent.retain(&mut keep);
        dropped.extend(self.routine.retain(keep));
        dropped
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.urgent.iter().chain(self.routine.iter())
    }

    /// The entries of one owner, each lane's in order.
    pub fn of(&self, owner: &K) -> impl Iterator<Item = &T> {
        self.urgent.of(owner).chain(self.routine.of(owner))
    }

    /// The same, to change.
    pub fn of_mut(&mut self, owner: &K) -> impl Iterator<Item = &mut T> {
        self.urgent.of_mut(owner).chain(self.routine.of_mut(owner))
    }

    /// All entries in the order in which they will be served if nothing is added.
    pub fn order(&self) -> impl Iterator<Item = (&K, &T)> {
        let (mut urgent, mut routine) = (self.urgent.order().peekable(), self.routine.order().peekable());
        let mut in_a_row = self.in_a_row;
        std::iter::from_fn(move || {
            let turn_of_routine = in_a_row >= URGENT_IN_A_ROW || urgent.peek().is_none();
            if turn_of_routine && let Some(entry) = routine.next() {
                in_a_row = 0;
                return Some(entry);
            }
            in_a_row = URGENT_IN_A_ROW.min(in_a_row + 1);
            urgent.next()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LANES: [Lane; 2] = [Lane::Routine, Lane::Urgent];

    fn served(queue: &mut Lanes<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop())
            .map(|(_, entry)| entry)
            .collect()
    }

    #[test]
    fn urgent_entries_go_first_and_leave_every_fourth_turn_to_the_others() {
        let mut queue = Lanes::new(9);
        for entry in 0..3 {
            queue.push(Lane::Routine, &'a', entry).unwrap();
        }
        for entry in 10..15 {
            queue.push(Lane::Urgent, &'b', entry).unwrap();
        }
        assert_eq!(served(&mut queue), [10, 11, 12, 0, 13, 14, 1, 2]);
    }

    #[test]
    fn a_routine_entry_behind_a_long_urgent_stretch_is_next() {
        let mut queue = Lanes::new(9);
        for entry in 10..15 {
            queue.push(Lane::Urgent, &'b', entry).unwrap();
        }
        for _ in 0..4 {
            queue.pop().unwrap();
        }
        queue.push(Lane::Routine, &'a', 0).unwrap();
        assert_eq!(served(&mut queue), [0, 14]);
    }

    #[test]
    fn both_lanes_count_towards_an_owners_bound() {
        let mut queue = Lanes::new(2);
        queue.push(Lane::Routine, &'a', 0).unwrap();
        queue.push(Lane::Urgent, &'a', 1).unwrap();
        assert_eq!(
            queue.push(Lane::Urgent, &'a', 2),
            Err(QueueFull { max_entries: 2 })
        );
        queue.push(Lane::Routine, &'b', 3).unwrap();
    }

    proptest! {
        #[test]
        fn the_order_told_is_the_order_served(
            pushes in prop::collection::vec((0..4_u8, 0..2_usize), 1..40), before in 0..10_usize,
        ) {
            let mut queue = Lanes::new(99);
            for (entry, (owner, lane)) in pushes.iter().enumerate() {
                queue.push(LANES[*lane], owner, entry).unwrap();
            }
            for _ in 0..before {
                queue.pop();
            }
            let told: Vec<_> = queue.order().map(|(owner, entry)| (*owner, *entry)).collect();
            let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(told, served);
        }

        #[test]
        fn nobody_waits_for_more_than_four_turns_per_entry_before_it(
            pushes in prop::collection::vec((0..4_u8, 0..2_usize), 1..40),
        ) {
            let mut queue = Lanes::new(99);
            for (entry, (owner, lane)) in pushes.iter().enumerate() {
                queue.push(LANES[*lane], owner, entry).unwrap();
            }
            let mut routine_before = 0;
            for (turn, (_, entry)) in std::iter::from_fn(|| queue.pop()).enumerate() {
                if LANES[pushes[entry].1] == Lane::Routine {
                    prop_assert!(turn <= (routine_before + 1) * URGENT_IN_A_ROW + routine_before);
                    routine_before += 1;
                }
            }
        }
    }
}
