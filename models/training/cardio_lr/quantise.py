"""Fixed-point arithmetic: inputs, weights, score and table exactly as the circuit evaluates them.

Inputs and weights carry 12 fractional bits, the score 24; sums are 64-bit integers. Training sees
the quantised inputs, so the only thing rounding can change is the weights, by at most 2^-13.
"""

from dataclasses import dataclass

import numpy as np

SCALE = 4096
SCORE_SCALE = SCALE * SCALE
TABLE_ENTRIES = 256
# The score range takes at most 240 entries: the encrypted look-up misses by a few entries, so at
# least 8 stay free on each side and a noisy index never meets the edge of the table.
RANGE_ENTRIES = 240


@dataclass(frozen=True)
class InputScale:
    """One input's affine map. Both numbers are short decimals, so that every reader gets the same f64."""

    name: str
    offset: float
    factor: float


def short(number, digits=3):
    """Rounds to `digits` significant decimal digits."""
    return float(f"{number:.{digits}g}")


def input_scales(names, values):
    """Derives offset (about the mean) and factor (about 4096 / deviation) from training values `[n, inputs]`."""
    means, deviations = values.mean(axis=0), values.std(axis=0)
    return [
        InputScale(name, short(mean), short(SCALE / deviation))
        for name, mean, deviation in zip(names, means, deviations)
    ]


def quantise_inputs(values, scales):
    """floor((value - offset) * factor + 0.5) in f64, as i64 `[n, inputs]`."""
    offsets = np.array([scale.offset for scale in scales])
    factors = np.array([scale.factor for scale in scales])
    return np.floor((values - offsets) * factors + 0.5).astype(np.int64)


def round_half_up(number):
    """The one rounding rule of this package: floor(number + 0.5)."""
    return np.floor(np.asarray(number, dtype=float) + 0.5).astype(np.int64)


@dataclass(frozen=True)
class Linear:
    """Integer weights (scale 4096) and bias (scale 2^24)."""

    weights: np.ndarray
    bias: int

    @staticmethod
    def from_float(coefficients, intercept):
        """Rounds a float model over inputs in units of 1 (quantised value / 4096)."""
        return Linear(round_half_up(np.asarray(coefficients) * SCALE), int(round_half_up(intercept * SCORE_SCALE)))

    def score(self, inputs):
        """sum w*x + bias for quantised inputs `[n, inputs]`."""
        return np.asarray(inputs, dtype=np.int64) @ self.weights.astype(np.int64) + self.bias

    def score_range(self, minimum, maximum):
        """Smallest and largest score when every input moves alone between its bounds.

        Two smoking indicators can then both be 1, which no record reaches: the range is a little
        too wide on purpose, because it is what a reader of the circuit alone can derive.
        """
        ends = np.stack([self.weights * minimum, self.weights * maximum])
        return int(ends.min(axis=0).sum()) + self.bias, int(ends.max(axis=0).sum()) + self.bias


@dataclass(frozen=True)
class ProbabilityTable:
    """256 probabilities (scale 4096), each for a score interval `step` wide, starting at `origin`."""

    origin: int
    step: int
    entries: np.ndarray

    @staticmethod
    def build(lowest, highest, probability_of_logit):
        """Centres the table on `lowest..=highest` and evaluates the curve at each interval's centre."""
        step = -(-(highest - lowest) // RANGE_ENTRIES)
        origin = lowest - (TABLE_ENTRIES * step - (highest - lowest)) // 2
        centres = (origin + (np.arange(TABLE_ENTRIES) + 0.5) * step) / SCORE_SCALE
        entries = np.clip(round_half_up(SCALE * probability_of_logit(centres)), 0, SCALE)
        return ProbabilityTable(origin, step, entries)

    def index(self, score):
        """clamp(floor((score - origin) / step), 0, 255)."""
        return np.clip((np.asarray(score) - self.origin) // self.step, 0, TABLE_ENTRIES - 1)

    def probability(self, score):
        """The table entry of a score, scale 4096."""
        return self.entries[self.index(score)]

    @property
    def entry_logits(self):
        """Width of one entry in logits of the score."""
        return self.step / SCORE_SCALE
