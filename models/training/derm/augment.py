"""Patches for training: random places in the square, its eight symmetries, mild colour.

Everything random comes from the generator given, so an epoch repeats from its number alone.
"""

from dataclasses import dataclass

import numpy as np

from derm_core import collection

ROOM = collection.SIDE - collection.CROP


@dataclass(frozen=True)
class Colour:
    """How far colours move, in deviations of the normalisation: contrast as a factor, light and tint as shifts."""

    contrast: float = 0.15
    light: float = 0.25
    tint: float = 0.08


def draw(labels, count, random):
    """Image numbers for an epoch: a class is drawn by the root of its share; `weights` makes up the rest."""
    counts = np.bincount(labels)[labels]
    chance = 1 / np.sqrt(counts)
    return random.choice(len(labels), count, p=chance / chance.sum())


def weights(labels):
    """Loss weights of the classes. With `draw`, a class counts as much as any other: inverse frequency, half of it
    by drawing, half by weight, because one rare image with a huge weight makes a step jump."""
    counts = np.maximum(np.bincount(labels, minlength=len(collection.CLASSES)), 1)
    # Mean weight of what `draw` gives is 1.
    weight = 1 / np.sqrt(counts)
    share = np.sqrt(counts) / np.sqrt(counts).sum()
    return weight / (weight * share).sum()


def sample(square, count, random, colour=Colour()):
    """`(patches, places)` from one image int8 `[3, 288, 288]`: float32 `[count, 3, 32, 32]`, whole numbers of the contract,
    and the place 0..48 of each in the 7x7 grid.

    The 224 square is shifted within the 288 square and turned; `count` of its 49 patches are taken without repetition.
    """
    top, left = random.integers(0, ROOM + 1, 2)
    window = symmetry(square[:, top:top + collection.CROP, left:left + collection.CROP], random.integers(8))
    places = np.sort(random.permutation(collection.PATCHES)[:count])
    size = collection.PATCH
    rows, columns = places // collection.ROWS * size, places % collection.ROWS * size
    patches = np.stack([window[:, y:y + size, x:x + size] for y, x in zip(rows, columns)]).astype(np.float32)
    return coloured(patches, random, colour), places


def symmetry(square, which):
    """One of the eight symmetries of the square, on the last two axes."""
    turned = square.swapaxes(-1, -2) if which & 4 else square
    if which & 1:
        turned = turned[..., ::-1, :]
    return turned[..., ::-1] if which & 2 else turned


def coloured(patches, random, colour):
    """Moves contrast, light and tint, stays within the integers that levels can give."""
    factor = 1 + random.uniform(-colour.contrast, colour.contrast)
    shift = random.normal(0, colour.light) + random.normal(0, colour.tint, 3)
    moved = patches * np.float32(factor) + (collection.INPUT_SCALE * shift).astype(np.float32)[:, None, None]
    return np.rint(np.clip(moved, *collection.INPUT_RANGE)).astype(np.float32)
