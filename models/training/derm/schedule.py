"""How long and how a network is trained, as data that a checkpoint holds and a run is compared with."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Phase:
    """Epochs of `draws` images with `patches` random patches each; the rate follows half a cosine from `rate` to
    `last_rate` after a warm-up over `warm_up` of the steps."""

    name: str
    epochs: int
    draws: int
    patches: int
    images_per_step: int
    rate: float
    last_rate: float
    warm_up: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """Phases in turn; one ends early when the watched validation images have not improved for `patience` epochs."""

    phases: tuple
    seed: int = 7
    patience: int = 6
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    # Validation images of each class that are looked at after every epoch, all 49 patches of each.
    watched_per_class: int = 30

    def to_json(self):
        """As plain values."""
        return asdict(self)


FLOAT = Schedule((
    Phase("few patches", 8, 4000, 4, 32, 3e-4, 3e-5, warm_up=0.04),
    # The maximum over few patches is another number than over all: the last epochs see what a device sees.
    Phase("all patches", 2, 400, 49, 8, 3e-5, 3e-6),
))
QUANTISED = Schedule((
    Phase("few patches, quantised", 3, 4000, 4, 32, 3e-5, 5e-6, warm_up=0.05),
    Phase("all patches, quantised", 2, 400, 49, 8, 5e-6, 1e-6),
), seed=8, weight_decay=0.0)
# A lean network is so cheap that it always sees all patches.
LEAN_FLOAT = Schedule((Phase("all patches", 30, 6016, 49, 32, 2e-3, 2e-5, warm_up=0.03),), patience=10)
LEAN_QUANTISED = Schedule((Phase("all patches, quantised", 10, 6016, 49, 32, 3e-4, 5e-6, warm_up=0.05),), seed=8, weight_decay=0.0)
SMOKE = Schedule((
    Phase("few patches", 2, 28, 2, 7, 1e-3, 1e-4),
    Phase("all patches", 1, 14, 49, 7, 1e-4, 1e-5),
), watched_per_class=2)
