"""The quantised network as tensors, and the integer network they stand for. No deep-learning framework.

A checkpoint of the quantised network holds real weights and the scales with which they are rounded; what is rounded, how,
and in which order is said here and nowhere else. Training's own forward pass, the export and the gate all call it.

Layer `i` (from 1): `conv{i}.weight` OIHW, `conv{i}.scale` and `conv{i}.bias` per output, `conv{i}.clip`, `conv{i}.step`,
`conv{i}.calibrated` (two ends); then `head.weight`, `head.bias`, `head.scale`.
"""

from dataclasses import dataclass

import numpy as np

from derm_core import collection, integer, quantise

# An activation has 31 steps between 0 and its clip point: 5 bits.
STEPS = quantise.STEPS
# The head's weights have 5 bits too, one scale for all classes, because their logits are compared.
HEAD_LIMIT = quantise.WEIGHT_MAX


@dataclass(frozen=True)
class Rounded:
    """One convolution in integers: weights, bias, and the width of each channel's ramp in accumulator integers."""

    weights: np.ndarray
    bias: np.ndarray
    widths: np.ndarray
    step: int
    calibrated: tuple

    def entries(self):
        """Table entries `[outputs, 256]`."""
        return quantise.ramps(self.step, self.widths, STEPS)

    @property
    def origin(self):
        """Smallest accumulator of entry 0."""
        return -(quantise.ENTRIES // 2) * self.step


@dataclass(frozen=True)
class Head:
    """The linear map in integers, and the logit that one integer of its result stands for."""

    weights: np.ndarray
    bias: np.ndarray
    unit: float


def rounded(spec, tensors):
    """`([Rounded], Head)` of the tensors, in float64 from their float32 values."""
    layers, unit = [], 1 / collection.INPUT_SCALE
    for number, layer in enumerate(spec.layers, 1):
        read = lambda name: np.asarray(tensors[f"conv{number}.{name}"], dtype=np.float64)  # noqa: E731
        scale, clip = read("scale"), float(read("clip"))
        per_integer = scale * unit
        calibrated = tuple(int(end) for end in read("calibrated"))
        layers.append(Rounded(quantise.to_integers(read("weight"), scale),
                              quantise.round_half_up((read("bias") - clip / 2) / per_integer),
                              clip / per_integer, int(read("step")), calibrated))
        unit = clip / STEPS / layer.pool**2
    scale = float(np.asarray(tensors["head.scale"], dtype=np.float64))
    weights = quantise.round_half_up(np.asarray(tensors["head.weight"], dtype=np.float64) / scale)
    bias = quantise.round_half_up(np.asarray(tensors["head.bias"], dtype=np.float64) / (scale * unit))
    return layers, Head(np.clip(weights, -HEAD_LIMIT - 1, HEAD_LIMIT), bias, scale * unit)


def network(spec, tensors):
    """`(integer network, logit per integer)`."""
    layers, head = rounded(spec, tensors)
    chain = []
    for number, (layer, form) in enumerate(zip(spec.layers, layers), 1):
        chain += [integer.Conv(f"conv{number}", form.weights, form.bias, layer.stride, layer.padding),
                  integer.Table(f"relu{number}", form.entries(), form.origin, form.step, form.calibrated)]
        if layer.pool > 1:
            chain.append(integer.SumPool(f"pool{number}", layer.pool))
    chain.append(integer.Linear("head", head.weights, head.bias))
    return integer.Network(spec.name, (3, spec.side, spec.side), chain), head.unit


def start(spec, convolutions, head, patches, progress):
    """Tensors to begin quantised training with: `convolutions` `[(weights, bias)]` with batch norm folded in, `head`
    `(weights, bias)`, both real; ranges, clip points and the shift that rounding causes are measured on `patches`.
    """
    from derm_core.calibrate import Builder

    builder = Builder(spec.name, patches, progress, highest=STEPS)
    tensors = {}
    for number, (layer, (weights, bias)) in enumerate(zip(spec.layers, convolutions), 1):
        fitted = builder.activation(number, weights, bias, layer.stride, layer.padding)
        table = builder.layers[-1]
        tensors |= {f"conv{number}.weight": weights, f"conv{number}.scale": fitted.scale, f"conv{number}.bias": fitted.bias,
                    f"conv{number}.clip": fitted.clip, f"conv{number}.step": table.step,
                    f"conv{number}.calibrated": table.calibrated}
        if layer.pool > 1:
            builder.pool(number, layer.pool)
    weights, bias = head
    tensors |= {"head.weight": weights, "head.bias": bias, "head.scale": quantise.weight_scales(weights, per_channel=False)[0]}
    return {name: np.asarray(value, dtype=np.float32) for name, value in tensors.items()}


def calibrated(spec, tensors, patches, progress):
    """The tensors with tables that fit what `patches` show: the interval seen, a tenth wider, and the finest step that
    keeps it, and a guard for noise, within the span where a mirrored table saturates."""
    tensors = dict(tensors)
    layers, _ = rounded(spec, tensors)
    x = np.ascontiguousarray(patches.transpose(0, 2, 3, 1))
    for number, (layer, form) in enumerate(zip(spec.layers, layers), 1):
        conv = integer.Conv(f"conv{number}", form.weights, form.bias, layer.stride, layer.padding)
        low = high = 0
        for batch in integer.batches(x, progress, f"conv{number}, ranges, patches"):
            sums = conv(batch)
            low, high = min(low, int(sums.min())), max(high, int(sums.max()))
        interval = quantise.widened(low, high)
        step = quantise.table_step(interval, form.widths.max())
        tensors[f"conv{number}.calibrated"] = np.asarray(interval, dtype=np.float32)
        tensors[f"conv{number}.step"] = np.asarray(step, dtype=np.float32)
        entries = quantise.ramps(step, form.widths, STEPS)
        table = integer.Table("", entries, -(quantise.ENTRIES // 2) * step, step, interval)
        pool = integer.SumPool("", layer.pool) if layer.pool > 1 else lambda y: y
        x = np.concatenate([pool(table(conv(batch))).astype(np.int16) for batch in integer.batches(x)])
    return tensors
