"""The two files for the compile step alone: calibration patches, and what every layer gives for a few of them."""

import numpy as np
from safetensors.numpy import save

# Names of the tensors of calibration.safetensors.
PATCHES, IMAGE, POSITION, LABELS = "patches", "image", "position", "labels"


def calibration(patches, image, position, labels):
    """Returns calibration.safetensors as bytes.

    `patches` `[n, channels, side, side]`, integers of 8 or 16 bits as the circuit reads them; `image` and `position`
    `[n]`: the number of the image a patch is from and its place, row by row; `labels` `[n]`: the class of that image.
    All patches of an image one after another in order of their place make a whole scan, which is what decisions are
    counted on where the file has nothing but whole scans.
    """
    numbers = {IMAGE: image, POSITION: position, LABELS: labels}
    if any(len(values) != len(patches) for values in numbers.values()):
        raise ValueError("patches, image, position and labels are of different length")
    tensors = {PATCHES: _narrow(patches)}
    return save(tensors | {name: np.asarray(values, dtype=np.int64) for name, values in numbers.items()})


def layers(tensors):
    """Returns layers.safetensors as bytes: one tensor `[samples, ...]` for each node of circuit.json, by its name, channels
    before rows and columns.

    The input node's tensor holds the inputs, every other what the node gives for them; output nodes may be left out,
    because they repeat another node.
    """
    counts = {name: len(values) for name, values in tensors.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"different numbers of samples: {counts}")
    return save({name: _narrow(values) for name, values in tensors.items()})


def _narrow(values):
    """The narrowest of 8, 16, 32 and 64 bits that holds all values."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"integers are needed, not {array.dtype}")
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32, np.int64):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.ascontiguousarray(array.astype(kind))
    raise ValueError("beyond 64 bits")
