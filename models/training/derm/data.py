"""The images: four parts that share no lesion, and the integers that `obscura-patches` made of them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cardio_lr.errors import DataProblem, UsageProblem
from derm_core import collection, contract, export

# Shares of the lesions of each class. Validation stops training, calibration sets the temperature and the tables'
# ranges, test is opened once.
SHARES = {"training": 0.6, "validation": 0.15, "calibration": 0.1, "test": 0.15}
SPLIT_SEED = 51_017
LIST_FORMAT = 1


@dataclass(frozen=True)
class Images:
    """Squares int8 `[n, 3, 288, 288]` (may be mapped from a file) of entries; `rows` says where each lies."""

    entries: list
    squares: np.ndarray
    rows: np.ndarray

    def __len__(self):
        return len(self.entries)

    @cached_property
    def labels(self):
        """Class of each image."""
        return np.array([entry.label for entry in self.entries], dtype=np.int64)

    def square(self, number):
        """int8 `[3, 288, 288]` of an image."""
        return self.squares[self.rows[number]]

    def patches(self, number):
        """int8 `[49, 3, 32, 32]` of an image, as a device encrypts them."""
        return collection.cut(self.square(number))

    def take(self, numbers):
        """Some of the images."""
        return Images([self.entries[number] for number in numbers], self.squares, self.rows[numbers])


def split(entries):
    """`{part: entries}`."""
    return collection.split(entries, SHARES, SPLIT_SEED)


def reading_contract():
    """A contract for `obscura-patches`: its image section is that of every model here, the rest is not read."""
    texts = {key: "Only says how pictures are read for training." for key in ("title", "intended_use", "not_for", "warning")}
    return {
        "format": contract.FORMAT, "model_id": "reading", **texts,
        "image": contract.image_section(), "classes": contract.class_section(),
        "scores": {"output": contract.OUTPUT, "aggregate": "max", "logit_per_integer": 1.0, "temperature": 1.0},
    }


def reading_contract_bytes():
    """The contract's file."""
    return export.json_text(reading_contract()).encode()


def open_part(part, data_dir, integers, test_may_be_opened=False):
    """The images of one part. The test part opens for nobody who does not say so."""
    if part == "test" and not test_may_be_opened:
        raise UsageProblem("the test part is opened once, at the end: `evaluate --open-test`")
    entries = split(collection.read_list(data_dir))[part]
    return _found(entries, *_read(integers))


def _read(integers):
    """Squares and the row of each image, after checks that they are what this package trains on."""
    path = Path(integers)
    try:
        document = json.loads(path.with_suffix(".json").read_bytes())
        squares = np.load(path, mmap_mode="r")
        rows = {Path(image["name"]).stem: row for row, image in enumerate(document["images"])}
        shape, made_with = tuple(document["shape"]), document["contract_sha256"]
    except OSError as error:
        raise DataProblem(f"{error.filename} cannot be read; make it with `obscura-patches --whole` "
                          "(models/training/README.md)") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataProblem(f"{path}: not what obscura-patches writes: {error}") from error
    if document["format"] != LIST_FORMAT or squares.dtype != np.int8 or squares.shape != shape:
        raise DataProblem(f"{path} holds {squares.dtype} {squares.shape}, its list says int8 {shape}")
    if shape[1:] != (3, collection.SIDE, collection.SIDE):
        raise DataProblem(f"{path} holds {shape[1:]} per image; training needs whole squares (`--whole`)")
    if made_with != hashlib.sha256(reading_contract_bytes()).hexdigest():
        raise DataProblem(f"{path} was made with another contract than `python -m derm contract` writes")
    return squares, rows


def _found(entries, squares, rows):
    missing = [entry.image_id for entry in entries if entry.image_id not in rows]
    if missing:
        raise DataProblem(f"{len(missing)} images are not among the integers, the first is {missing[0]}")
    return Images(list(entries), squares, np.array([rows[entry.image_id] for entry in entries], dtype=np.int64))


def class_counts(labels):
    """Images of each class."""
    return np.bincount(labels, minlength=len(collection.CLASSES))


def watched(images, per_class):
    """The part of the validation images that is looked at while training: of each class the first `per_class` in a
    shuffled order that never changes."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    labels = images.labels
    chosen = [order[labels[order] == label][:per_class] for label in range(len(collection.CLASSES))]
    return images.take(np.sort(np.concatenate(chosen)))
