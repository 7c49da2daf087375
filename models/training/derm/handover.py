"""Two files for the compile step: whole calibration images, and what every layer gives for a few patches."""

import numpy as np
from safetensors.numpy import save

from derm_core import collection
from derm_core.collection import in_turn

CALIBRATION, LAYERS = "calibration.safetensors", "layers.safetensors"
# Whole images of the calibration part, the classes taking turns.
IMAGES = 70
IMAGES_SEED = 9


def calibration(images):
    """calibration.safetensors: `patches` int8 `[n, 3, 32, 32]` of whole images, one after the other; `image`, `position` and
    `labels` `[n]` say of each patch which image it is of, where it lies in the 7x7 grid, and the image's class."""
    numbers = {entry.image_id: number for number, entry in enumerate(images.entries)}
    chosen = [numbers[entry.image_id] for entry in in_turn(images.entries, IMAGES, IMAGES_SEED)]
    return save({
        "patches": np.concatenate([images.patches(number) for number in chosen]),
        "image": np.repeat(np.arange(len(chosen)), collection.PATCHES),
        "position": np.tile(np.arange(collection.PATCHES), len(chosen)),
        "labels": np.repeat(images.labels[chosen], collection.PATCHES),
    })


def layers(network, patches):
    """layers.safetensors: for each node of circuit.json but the output a tensor `[patches, ...]`, channels first; the input's
    is the patches themselves."""
    x = np.ascontiguousarray(patches.transpose(0, 2, 3, 1))
    tensors = {"patch": np.ascontiguousarray(patches)}
    for layer in network.layers:
        x = layer(x)
        tensors[layer.name] = np.ascontiguousarray(x.transpose(0, 3, 1, 2).astype(np.int32))
    return save(tensors)
