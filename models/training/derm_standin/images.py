"""Dermoscopy images as quantised patches: the stand-ins' split, the pixels, samples of patches."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cardio_lr.errors import DataProblem
from derm_core import collection
from derm_core.collection import (CLASSES, CROP, DEVIATION, FOLDER, INPUT_RANGE, INPUT_SCALE, MEAN, PATCH, PATCHES, ROWS,
                                  SIDE, Entry, in_turn, level_table)

__all__ = ["CLASSES", "CROP", "DEVIATION", "FOLDER", "INPUT_RANGE", "INPUT_SCALE", "MEAN", "PATCH", "PATCHES", "ROWS", "SIDE",
           "Collection", "Entry", "Sample", "in_turn", "level_table", "patches", "random_positions", "sample", "split"]

# Shares of the lesions of each class, in this order. Held-out images give fixtures and figures, nothing else.
PARTS = {"head": 0.6, "calibration": 0.15, "held-out": 0.25}
SPLIT_SEED = 20_261


class Collection:
    """Images that can be read by entry: here the files of HAM10000."""

    def __init__(self, data_dir):
        self.folder = Path(data_dir) / FOLDER
        self.entries = collection.read_list(data_dir)

    def pixels(self, entry):
        """uint8 `[288, 288, 3]`."""
        path = self.folder / "images" / f"{entry.image_id}.jpg"
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, UnidentifiedImageError) as error:
            raise DataProblem(f"{path} cannot be read: {error}") from error
        if pixels.shape != (SIDE, SIDE, 3):
            raise DataProblem(f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, expected {SIDE}x{SIDE}")
        return pixels


def split(entries):
    """`{part: entries}` of the stand-ins."""
    return collection.split(entries, PARTS, SPLIT_SEED)


def patches(pixels):
    """int8 `[49, 3, 32, 32]` of one image: the centre 224x224, patches row by row."""
    table = level_table()
    return collection.cut(np.stack([table[channel][pixels[:, :, channel]] for channel in range(3)]))


@dataclass(frozen=True)
class Sample:
    """Patches int8 `[n, 3, 32, 32]`, the label, the image (place in `entries`) and the position 0..48 of each."""

    entries: list
    patches: np.ndarray
    labels: np.ndarray
    image: np.ndarray
    position: np.ndarray


def sample(collection, entries, positions, progress):
    """Reads `entries` and keeps of each the patches that `positions(number)` names."""
    kept, image, position = [], [], []
    for number, entry in enumerate(entries):
        progress.step("reading images", number, len(entries))
        chosen = np.sort(positions(number))
        kept.append(patches(collection.pixels(entry))[chosen])
        image += [number] * len(chosen)
        position += chosen.tolist()
    image = np.array(image)
    labels = np.array([entry.label for entry in entries])[image]
    return Sample(list(entries), np.concatenate(kept), labels, image, np.array(position))


def random_positions(per_image, seed):
    """A rule for `sample`: `per_image` patches drawn without replacement, the same for the same image number."""
    return lambda number: np.random.default_rng((seed, number)).permutation(PATCHES)[:per_image]
