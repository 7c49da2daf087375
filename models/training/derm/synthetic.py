"""Made-up images and filters for the smoke run: every stage, in seconds, without data."""

import numpy as np

from derm_core import collection, synthetic

from . import data, spec


def parts():
    """`{part: Images}` of made-up images."""
    made = synthetic.Collection()
    table = collection.level_table()
    squares = np.stack([_square(table, made.pixels(entry)) for entry in made.entries])
    rows = {entry.image_id: row for row, entry in enumerate(made.entries)}
    return {name: data.Images(entries, squares, np.array([rows[entry.image_id] for entry in entries]))
            for name, entries in data.split(made.entries).items()}


def _square(table, pixels):
    return np.stack([table[channel][pixels[:, :, channel]] for channel in range(3)])


def filters():
    """`[(weights, bias)]` for the smoke run's narrow network."""
    return synthetic.filters([layer.channels for layer in spec.SMOKE.layers])


def golden_patches(images):
    """`[(name, patch)]` for golden vectors."""
    middle = collection.PATCHES // 2
    return [(f"made-up image {number}, patch {middle}", images.patches(number)[middle]) for number in range(2)]
