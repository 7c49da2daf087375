"""Dermoscopy images as quantised patches: the file list, the split by lesion, the crop, the integers."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cardio_lr.errors import DataProblem

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
FOLDER = "ham10000"
SIDE, CROP, PATCH = 288, 224, 32
ROWS = CROP // PATCH
PATCHES = ROWS * ROWS
# Shares of the lesions of each class, in this order. Held-out images give fixtures and figures, nothing else.
PARTS = {"head": 0.6, "calibration": 0.15, "held-out": 0.25}
SPLIT_SEED = 20_261
# ImageNet's normalisation, because the filters come from there; one integer is 1/48 of a deviation, so that
# the brightest channel ends at 127.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
INPUT_SCALE = 48


@dataclass(frozen=True)
class Entry:
    """One image of the collection; `label` is its place in `CLASSES`."""

    image_id: str
    lesion_id: str
    label: int


class Collection:
    """Images that can be read by entry: here the files of HAM10000."""

    def __init__(self, data_dir):
        self.folder = Path(data_dir) / FOLDER
        self.entries = self._read_list()

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

    def _read_list(self):
        path = self.folder / "HAM10000_metadata.csv"
        if not path.is_file():
            raise DataProblem(f"{path} does not exist. Pass the folder that holds {FOLDER}/ with --data "
                              "(models/training/README.md says what is in it), or use --smoke, which needs no data.")
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            entries = [Entry(row["image_id"], row["lesion_id"], CLASSES.index(row["dx"])) for row in rows]
        except (KeyError, ValueError) as error:
            raise DataProblem(f"{path}: {error}") from error
        return sorted(entries, key=lambda entry: entry.image_id)


def split(entries):
    """`{part: entries}`: the lesions of each class are shuffled and cut, so that no lesion is in two parts."""
    random = np.random.default_rng(SPLIT_SEED)
    parts = {name: [] for name in PARTS}
    home = {}
    for label in range(len(CLASSES)):
        # A lesion whose images disagree on the class stays where its first class put it.
        lesions = sorted({entry.lesion_id for entry in entries if entry.label == label} - set(home))
        order = random.permutation(len(lesions))
        ends = np.round(np.cumsum(list(PARTS.values())) * len(lesions)).astype(int)
        for rank, lesion in enumerate(order):
            home[lesions[lesion]] = list(PARTS)[int(np.searchsorted(ends, rank, side="right"))]
    for entry in entries:
        parts[home[entry.lesion_id]].append(entry)
    return parts


def in_turn(entries, count, seed):
    """Up to `count` entries, the classes taking turns, each class in a shuffled order."""
    random = np.random.default_rng(seed)
    queues = []
    for label in range(len(CLASSES)):
        own = [entry for entry in entries if entry.label == label]
        queues.append([own[i] for i in random.permutation(len(own))])
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)][:count]


def level_table():
    """int8 `[3, 256]`: the integer of each colour channel's level, floor(scale * (level/255 - mean) / deviation + 0.5)."""
    level = np.arange(256) / 255
    rows = [np.floor(INPUT_SCALE * (level - mean) / deviation + 0.5) for mean, deviation in zip(MEAN, DEVIATION)]
    return np.array(rows).astype(np.int8)


INPUT_RANGE = (int(level_table().min()), int(level_table().max()))


def patches(pixels):
    """int8 `[49, 3, 32, 32]` of one image: the centre 224x224, patches row by row."""
    start = (SIDE - CROP) // 2
    centre = pixels[start:start + CROP, start:start + CROP]
    table = level_table()
    planes = np.stack([table[channel][centre[:, :, channel]] for channel in range(3)])
    return planes.reshape(3, ROWS, PATCH, ROWS, PATCH).transpose(1, 3, 0, 2, 4).reshape(PATCHES, 3, PATCH, PATCH)


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
