"""The integer reference: what circuit.json and weights.safetensors compute, exactly, for many patches at once.

Tensors are `[patches, height, width, channels]` here, so that a window is copied in runs; the files and the
logits use channel-major order. Products run in floating point where no partial sum can leave the integers
that the type holds exactly (2^24 in 32-bit, 2^53 in 64-bit floats), so every order of summation gives the
same bits.
"""

from dataclasses import dataclass, field

import numpy as np

EXACT = {np.float32: 1 << 24, np.float64: 1 << 53}
BATCH = 32


@dataclass(frozen=True)
class Conv:
    """`y[o] = sum of weights[o][c][ky][kx] * x + bias[o]`; `weights` OIHW int, `bias` int64, zero padding."""

    name: str
    weights: np.ndarray
    bias: np.ndarray
    stride: int = 1
    padding: int = 0
    # What follows from the weights alone, kept because every batch needs it.
    matrices: dict = field(default_factory=dict, compare=False, repr=False)

    def matrix(self, dtype):
        """Weights as `[taps, outputs]` with taps in (ky, kx, c) order, as `windows` lays them out."""
        if dtype not in self.matrices:
            taps = self.weights.transpose(0, 2, 3, 1).reshape(len(self.weights), -1)
            self.matrices[dtype] = np.ascontiguousarray(taps.T.astype(dtype))
        return self.matrices[dtype]

    def windows(self, x, dtype):
        """What each output reads: `[patches, out height, out width, taps]`."""
        return windows(x, self.weights.shape[2:], self.stride, self.padding, dtype)

    def sums(self, x):
        """The accumulators without bias, int64 `[patches, out height, out width, outputs]`."""
        if "gain" not in self.matrices:
            self.matrices["gain"] = gain(self.weights)
        dtype = exact_type(self.matrices["gain"], x)
        taken = self.windows(x, dtype)
        return (taken.reshape(-1, taken.shape[-1]) @ self.matrix(dtype)).reshape(*taken.shape[:3], -1).astype(np.int64)

    def __call__(self, x):
        return self.sums(x) + self.bias


@dataclass(frozen=True)
class Linear:
    """A dense layer `[outputs, inputs]` over a flattened tensor, inputs in channel-major order."""

    name: str
    weights: np.ndarray
    bias: np.ndarray

    def sums(self, x):
        """The accumulators without bias, int64 `[patches, 1, 1, outputs]`."""
        flat = flatten(x)
        dtype = exact_type(gain(self.weights), flat)
        return (flat.astype(dtype) @ self.weights.T.astype(dtype)).astype(np.int64).reshape(len(x), 1, 1, -1)

    def __call__(self, x):
        return self.sums(x) + self.bias


@dataclass(frozen=True)
class SumPool:
    """Sums over square windows that do not overlap; rows and columns that fill no window are left out."""

    name: str
    window: int

    def __call__(self, x):
        k = self.window
        height, width = x.shape[1] // k, x.shape[2] // k
        whole = x[:, :height * k, :width * k]
        return whole.reshape(len(x), height, k, width, k, -1).sum(axis=(2, 4), dtype=np.int64)


@dataclass(frozen=True)
class Table:
    """`y = entries[c][clamp(floor((x - origin) / step), 0, last)]`; `entries` int `[channels or 1, 256]`.

    `calibrated` is the interval of accumulators that saturate as they should under encryption.
    """

    name: str
    entries: np.ndarray
    origin: int
    step: int
    calibrated: tuple

    def __call__(self, x):
        count = self.entries.shape[1]
        index = np.clip((x - self.origin) // self.step, 0, count - 1)
        if len(self.entries) > 1:
            index += np.arange(len(self.entries)) * count
        return np.take(self.entries.reshape(-1), index)


@dataclass(frozen=True)
class Network:
    """A chain of layers from one quantised patch `[3, height, width]` to the last layer's numbers."""

    name: str
    shape: tuple
    layers: list

    def logits(self, patches, progress=None):
        """int64 `[patches, outputs]` of int8 `[patches, 3, height, width]`."""
        out = [flatten(self.run(batch)) for batch in batches(patches, progress, f"{self.name}, patches")]
        return np.concatenate(out)

    def run(self, patches, until=None):
        """The tensor behind layer number `until` (default: the last) for a few patches."""
        x = np.ascontiguousarray(patches.transpose(0, 2, 3, 1))
        for layer in self.layers[:until]:
            x = layer(x)
        return x


def batches(patches, progress=None, what=""):
    """Yields runs of `BATCH` patches, saying how far it is."""
    for start in range(0, len(patches), BATCH):
        if progress:
            progress.step(what, start, len(patches))
        yield patches[start:start + BATCH]


def windows(x, kernel, stride, padding, dtype):
    """The patches of `x` under a kernel: `[n, out height, out width, ky * kx * c]` in `dtype`."""
    x = np.pad(x.astype(dtype), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))[:, ::stride, ::stride]
    n, height, width = view.shape[:3]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(n, height, width, -1)


def flatten(x):
    """`[n, height, width, channels]` to `[n, elements]`, elements in the order of the files (c, y, x)."""
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


def gain(weights):
    """Largest sum of magnitudes of one output's weights: what a sum can reach when inputs are at most 1."""
    return int(np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1).max())


def exact_type(gain, x):
    """The cheaper float type in which no partial sum of a product can be rounded."""
    largest = gain * int(np.abs(x.astype(np.int64)).max(initial=0))
    for dtype, limit in EXACT.items():
        if largest < limit:
            return dtype
    raise OverflowError(f"sums reach {largest}")
