//! Two slots per model: one that runs, and one that was before it or is on trial.
//!
//! A new bundle has [`TRIES`] starts to be found good; after that the other slot goes first. A slot whose tries are
//! used up is still tried when nothing else can start, so that power cuts during a trial never leave a box without a
//! model. Knows nothing of bundles, files or who decides what is good.

/// Starts a new bundle has until it must be found good.
pub const TRIES: u8 = 3;

/// One of the two places of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotId {
    /// The first.
    A,
    /// The second.
    B,
}

impl SlotId {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// SHA-256 of the manifest.
    pub model_hash: [u8; 32],
    /// Security counter of the manifest.
    pub counter: u32,
    /// Starts left until it must be found good.
    pub tries: u8,
    /// Whether it was found good.
    pub good: bool,
}

impl Slot {
    /// A bundle that has not run yet.
    pub fn on_trial(model_hash: [u8; 32], counter: u32) -> Self {
        Self {
            model_hash,
            counter,
            tries: TRIES,
            good: false,
        }
    }

    /// Whether it goes before one whose tries are used up.
    pub fn is_ready(&self) -> bool {
        self.good || self.tries > 0
    }
}

/// The slots of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    preferred: SlotId,
    a: Option<Slot>,
    b: Option<Slot>,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            preferred: SlotId::A,
            a: None,
            b: None,
        }
    }
}

impl Slots {
    /// Slots as they were kept.
    pub fn restore(preferred: SlotId, a: Option<Slot>, b: Option<Slot>) -> Self {
        Self { preferred, a, b }
    }

    /// The slot that goes first of two that are ready.
    pub fn preferred(&self) -> SlotId {
        self.preferred
    }

    /// What a slot holds.
    pub fn slot(&self, id: SlotId) -> Option<&Slot> {
        match id {
            SlotId::A => self.a.as_ref(),
            SlotId::B => self.b.as_ref(),
        }
    }

    fn slot_mut(&mut self, id: SlotId) -> &mut Option<Slot> {
        match id {
            SlotId::A => &mut self.a,
            SlotId::B => &mut self.b,
        }
    }

    /// The slots to start from, best first; none whose counter is below `floor`.
    pub fn boot_order(&self, floor: u32) -> impl Iterator<Item = SlotId> + use<> {
        let ids = [self.preferred, self.preferred.other()];
        let at_or_above = |id: &SlotId| self.slot(*id).is_some_and(|slot| slot.counter >= floor);
        let is_ready = |id: &SlotId| self.slot(*id).is_some_and(Slot::is_ready);
        let (mut ready, spent): (Vec<_>, Vec<_>) = ids.into_iter().filter(at_or_above).partition(is_ready);
        ready.extend(spent);
        ready.into_iter()
    }

    /// The slot that holds the bundle of this manifest.
    pub fn find(&self, model_hash: &[u8; 32]) -> Option<SlotId> {
        let holds = |id: &SlotId| self.slot(*id).is_some_and(|slot| slot.model_hash == *model_hash);
        SlotId::ALL.into_iter().find(holds)
    }

    /// Highest counter of a slot of `usable` that runs, or is to run next.
    pub fn highest_ready(&self, usable: impl Fn(SlotId) -> bool) -> Option<u32> {
        let ready = |id: &SlotId| usable(*id) && self.slot(*id).is_some_and(Slot::is_ready);
        let ready = SlotId::ALL.into_iter().filter(ready);
        ready.filter_map(|id| Some(self.slot(id)?.counter)).max()
    }

    /// Where a new bundle goes when those `usable` can start: never where the best of them lies, a good one before one
    /// on trial.
    pub fn install_target(&self, floor: u32, usable: impl Fn(SlotId) -> bool) -> SlotId {
        let order: Vec<SlotId> = self.boot_order(floor).filter(|id| usable(*id)).collect();
        let good = order
            .iter()
            .find(|id| self.slot(**id).is_some_and(|slot| slot.good));
        good.or_else(|| order.first())
            .map_or(SlotId::A, |keep| keep.other())
    }

    /// Forgets what a slot holds, before its bundle is overwritten.
    pub fn clear(&mut self, id: SlotId) {
        *self.slot_mut(id) = None;
    }

    /// A new bundle lies in `id` and goes first.
    pub fn install(&mut self, id: SlotId, slot: Slot) {
        *self.slot_mut(id) = Some(slot);
        self.preferred = id;
    }

    /// A start from `id` begins: one on trial has one try less; whether that changed anything.
    pub fn begin(&mut self, id: SlotId) -> bool {
        match self.slot_mut(id) {
            Some(slot) if !slot.good && slot.tries > 0 => {
                slot.tries -= 1;
                true
            }
            _ => false,
        }
    }

    /// What ran from `id` was found good and goes first from now on; whether that changed anything.
    pub fn mark_good(&mut self, id: SlotId) -> bool {
        let before = *self;
        if let Some(slot) = self.slot_mut(id) {
            slot.good = true;
            slot.tries = TRIES;
            self.preferred = id;
        }
        *self != before
    }

    /// What started from `id` was found bad: it starts only when nothing else can.
    pub fn mark_bad(&mut self, id: SlotId) {
        if let Some(slot) = self.slot_mut(id) {
            slot.good = false;
            slot.tries = 0;
        }
    }

    /// Lowest counter among the slots of `usable` that can still boot: what the floor may rise to.
    pub fn lowest_bootable(&self, floor: u32, usable: impl Fn(SlotId) -> bool) -> Option<u32> {
        let order = self.boot_order(floor).filter(|id| usable(*id));
        order.filter_map(|id| Some(self.slot(id)?.counter)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(counter: u32) -> Slot {
        Slot::on_trial([u8::try_from(counter).unwrap(); 32], counter)
    }

    fn order(slots: &Slots, floor: u32) -> Vec<SlotId> {
        slots.boot_order(floor).collect()
    }

    /// Counter 3 is good in A, counter 4 on trial in B.
    fn updated() -> Slots {
        let mut slots = Slots::default();
        slots.install(SlotId::A, slot(3));
        slots.mark_good(SlotId::A);
        assert_eq!(slots.install_target(0, |_| true), SlotId::B);
        slots.install(SlotId::B, slot(4));
        slots
    }

    #[test]
    fn a_new_bundle_goes_first_until_its_tries_are_used_up() {
        let mut slots = updated();
        for _start in 0..TRIES {
            assert_eq!(order(&slots, 0), [SlotId::B, SlotId::A]);
            assert!(slots.begin(SlotId::B));
        }
        assert_eq!(order(&slots, 0), [SlotId::A, SlotId::B]);
        assert!(!slots.begin(SlotId::B) && !slots.begin(SlotId::A));
    }

    #[test]
    fn forty_starts_without_a_verdict_leave_the_only_bundle_bootable() {
        let mut slots = Slots::default();
        slots.install(SlotId::A, slot(1));
        for _unclean in 0..40 {
            assert_eq!(order(&slots, 1), [SlotId::A]);
            slots.begin(SlotId::A);
        }
    }

    #[test]
    fn what_was_found_bad_goes_last_and_what_was_found_good_first() {
        let mut slots = updated();
        assert_eq!(slots.highest_ready(|_| true), Some(4));
        slots.mark_bad(SlotId::B);
        assert_eq!(slots.highest_ready(|_| true), Some(3));
        assert_eq!(order(&slots, 0), [SlotId::A, SlotId::B]);
        assert!(slots.mark_good(SlotId::B) && !slots.mark_good(SlotId::B));
        assert_eq!(order(&slots, 0), [SlotId::B, SlotId::A]);
    }

    #[test]
    fn nothing_below_the_floor_starts_even_when_the_other_slot_is_bad() {
        let mut slots = updated();
        slots.mark_bad(SlotId::B);
        assert_eq!(order(&slots, 4), [SlotId::B]);
        assert_eq!(order(&slots, 5), []);
        assert_eq!(slots.lowest_bootable(5, |_| true), None);
    }

    #[test]
    fn the_floor_rises_to_the_lowest_slot_that_can_still_boot() {
        let mut slots = updated();
        slots.mark_good(SlotId::B);
        assert_eq!(slots.lowest_bootable(0, |_| true), Some(3));
        assert_eq!(slots.lowest_bootable(0, |id| id == SlotId::B), Some(4));
        let target = slots.install_target(0, |_| true);
        assert_eq!(target, SlotId::A, "the one that runs is never overwritten");
        slots.clear(target);
        assert_eq!(slots.lowest_bootable(0, |_| true), Some(4));
    }

    #[test]
    fn a_bundle_never_overwrites_the_only_good_one() {
        let slots = updated();
        assert_eq!(
            slots.install_target(0, |_| true),
            SlotId::B,
            "B is on trial, A is good"
        );
        assert_eq!(
            slots.install_target(0, |id| id == SlotId::B),
            SlotId::A,
            "A cannot be read"
        );
        assert_eq!(slots.install_target(9, |_| true), SlotId::A, "nothing can start");
    }
}
