"""The collection of dermoscopy images: classes, list, split by lesion, and how pixels become integers."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cardio_lr.errors import DataProblem

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
FOLDER = "ham10000"
SIDE, CROP, PATCH = 288, 224, 32
ROWS = CROP // PATCH
PATCHES = ROWS * ROWS
# ImageNet's normalisation, because the filters come from there; one integer is 1/48 of a deviation, so that
# the brightest channel ends at 127.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
INPUT_SCALE = 48
COLOURS = ("red", "green", "blue")
# The filter with which a contract has the central square resized.
FILTER = "lanczos3"


@dataclass(frozen=True)
class Entry:
    """One image of the collection; `label` is its place in `CLASSES`."""

    image_id: str
    lesion_id: str
    label: int


def read_list(data_dir):
    """All entries of HAM10000 below `data_dir`, by image."""
    path = Path(data_dir) / FOLDER / "HAM10000_metadata.csv"
    if not path.is_file():
        raise DataProblem(f"{path} does not exist. Pass the folder that holds {FOLDER}/ with --data "
                          "(models/training/README.md says what is in it), or use --smoke, which needs no data.")
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        entries = [Entry(row["image_id"], row["lesion_id"], CLASSES.index(row["dx"])) for row in rows]
    except (KeyError, ValueError) as error:
        raise DataProblem(f"{path}: {error}") from error
    return sorted(entries, key=lambda entry: entry.image_id)


def split(entries, shares, seed):
    """`{part: entries}`: the lesions of each class are shuffled and cut, so that no lesion is in two parts.

    `shares` names the parts and their share of each class's lesions.
    """
    random = np.random.default_rng(seed)
    parts = {name: [] for name in shares}
    home = {}
    for label in range(len(CLASSES)):
        # A lesion whose images disagree on the class stays where its first class put it.
        lesions = sorted({entry.lesion_id for entry in entries if entry.label == label} - set(home))
        order = random.permutation(len(lesions))
        ends = np.round(np.cumsum(list(shares.values())) * len(lesions)).astype(int)
        for rank, lesion in enumerate(order):
            home[lesions[lesion]] = list(shares)[int(np.searchsorted(ends, rank, side="right"))]
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


def cut(square):
    """int8 `[49, 3, 32, 32]` of integers int8 `[3, 288, 288]`: the centre 224x224, patches row by row."""
    start = (SIDE - CROP) // 2
    centre = square[:, start:start + CROP, start:start + CROP]
    return centre.reshape(3, ROWS, PATCH, ROWS, PATCH).transpose(1, 3, 0, 2, 4).reshape(PATCHES, 3, PATCH, PATCH)
