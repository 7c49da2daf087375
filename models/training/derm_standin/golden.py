"""Golden vectors of a payload: patches of the committed fixtures and the logits that every evaluation reproduces."""

import numpy as np

from . import contract, images

# One patch in the middle of an image of each of these classes.
CLASSES = ("akiec", "mel", "nv")
POSITION = images.PATCHES // 2


def golden(network, sample):
    """Returns golden.json as a dict; `sample` is what `fixtures.choose` returns."""
    return {"format": contract.FORMAT, "vectors": [_vector(network, sample, name) for name in CLASSES]}


def _vector(network, sample, name):
    own = (sample.labels == images.CLASSES.index(name)) & (sample.position == POSITION)
    place = int(np.flatnonzero(own)[0])
    patch = sample.patches[place]
    entry = sample.entries[sample.image[place]]
    return {
        "name": f"{name}, {entry.image_id}, patch {POSITION}",
        # Colour by colour, row by row, as the circuit's input is laid out.
        "inputs": [int(value) for value in patch.ravel()],
        "outputs": [int(value) for value in network.logits(patch[None])[0]],
    }
