"""Builds a network layer by layer on calibration patches.

Each layer is calibrated on what the integer layers before it really give, so that errors do not compound:
accumulator ranges, clip points and the mean error of the rounded weights come from these patches.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from . import collection, integer, quantise

SAMPLED_PER_BATCH = 20_000


@dataclass
class _Seen:
    """What a pass over the patches showed: ranges per channel (integers), sampled accumulators."""

    low: np.ndarray
    high: np.ndarray
    sampled: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """What a layer's integers stand for: the weight scale of each output, the real bias after the correction for
    rounded weights, the clip point."""

    scale: np.ndarray
    bias: np.ndarray
    clip: float


class Builder:
    """Holds the layers so far and what they give for the calibration patches; tables answer 0 to `highest`."""

    def __init__(self, name, patches, progress, highest=quantise.OUTPUT_MAX):
        self.name, self.shape, self.progress, self.highest = name, patches.shape[1:], progress, highest
        self.layers = []
        self.x = np.ascontiguousarray(patches.transpose(0, 2, 3, 1))
        # Real value of one integer of `x`.
        self.unit = 1 / collection.INPUT_SCALE

    def network(self):
        """The layers so far as a network."""
        return integer.Network(self.name, self.shape, list(self.layers))

    def activation(self, number, weights, bias, stride=1, padding=0, per_channel=True):
        """Adds a layer with real `weights` (OIHW, or [outputs, inputs]) and `bias`, and its clipped ReLU.

        Returns what its integers stand for.
        """
        name = f"conv{number}" if weights.ndim == 4 else f"dense{number}"
        self.progress.stage(f"{self.name}: {name}")

        def layer(integers, shift):
            if weights.ndim == 4:
                return integer.Conv(name, integers, shift, stride, padding)
            return integer.Linear(name, integers, shift)

        scale = quantise.weight_scales(weights, per_channel)
        none = np.zeros(len(weights), dtype=np.int64)
        seen = self._pass(layer(quantise.to_integers(weights, scale), none))
        per_integer = scale * self.unit
        clip = quantise.clip_point((seen.sampled * per_integer + bias).ravel())
        if per_channel:
            ends = np.stack([seen.low, seen.high]) * per_integer + bias
            scale = quantise.equalised(scale, np.abs(ends - clip / 2).max(axis=0), np.full(len(scale), clip))
        per_integer = scale * self.unit
        integers = quantise.to_integers(weights, scale)
        # The ramp's middle goes to accumulator 0; rounding weights must not move a channel's mean.
        lost = self._mean_sums(weights, layer) / scale - self._mean_sums(integers, layer)
        dense = layer(integers, quantise.round_half_up((bias - clip / 2) / per_integer + lost))
        seen = self._pass(dense)
        low, high = int((seen.low + dense.bias).min()), int((seen.high + dense.bias).max())
        self._add(dense, self._table(number, (low, high), clip / per_integer, per_channel))
        self.unit = clip / self.highest
        return Fitted(scale, bias + lost * per_integer, clip)

    def pool(self, number, window=2):
        """Adds a sum pool; the average's divisor goes into the unit, and from there into the next scales."""
        pool = integer.SumPool(f"pool{number}", window)
        self.layers.append(pool)
        self.x = pool(self.x).astype(np.int16)
        self.unit /= window * window

    def _table(self, number, seen, widths, per_channel):
        calibrated = quantise.widened(*seen)
        step = quantise.table_step(calibrated, widths.max())
        entries = quantise.ramps(step, widths if per_channel else widths[:1], self.highest)
        return integer.Table(f"relu{number}", entries, -(quantise.ENTRIES // 2) * step, step, calibrated)

    def _add(self, dense, table):
        out = [table(dense(batch)).astype(np.int16) for batch in self._batches(f"{dense.name}, patches")]
        self.x = np.concatenate(out)
        self.layers += [dense, table]

    def _batches(self, what):
        return integer.batches(self.x, self.progress, what)

    def _pass(self, layer):
        low, high, sampled = [], [], []
        for number, batch in enumerate(self._batches(f"{layer.name}, patches")):
            sums = layer.sums(batch).reshape(-1, len(layer.weights))
            low.append(sums.min(axis=0))
            high.append(sums.max(axis=0))
            rows = np.random.default_rng(number).integers(len(sums), size=-(-SAMPLED_PER_BATCH // sums.shape[1]))
            sampled.append(sums[rows])
        return _Seen(np.min(low, axis=0), np.max(high, axis=0), np.concatenate(sampled))

    def _mean_sums(self, weights, layer):
        """Mean over patches and positions of the sums with (real or integer) weights."""
        totals, rows = 0.0, 0
        probe = layer(weights, np.zeros(len(weights)))
        if isinstance(probe, integer.Linear):
            with threadpool_limits(1):
                return probe.weights @ integer.flatten(self.x).mean(axis=0)
        for batch in self._batches(f"{probe.name}, means"):
            taken = probe.windows(batch, np.float32)
            totals = totals + taken.sum(axis=(0, 1, 2), dtype=float)
            rows += taken.size // taken.shape[-1]
        # Real numbers, unlike all the other products: one thread, so that machines agree on the last bit.
        with threadpool_limits(1):
            return (totals / rows) @ probe.matrix(np.float64)
