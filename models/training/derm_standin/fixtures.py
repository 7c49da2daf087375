"""Twelve held-out images as committed patches, with the logits that every evaluation must reproduce."""

import numpy as np
from safetensors.numpy import save

from derm_core import export

from . import images

# No more than twelve images of this collection may be committed.
IMAGES = 12
# Rows and columns of the 7x7 grid: the centre, where the lesion is, a corner, and what lies between.
LINES = (0, 2, 3, 5)

NOTICE = """\
patches.safetensors holds 16 patches of 32x32 of each of the {count} images of HAM10000 named in patches.json.

Source: HAM10000, ViDIR Group, Department of Dermatology, Medical University of Vienna, doi 10.1038/sdata.2018.161,
as published for ISIC 2018 task 3. Changes: central square, resized to 288x288, JPEG quality 85, central 224x224 cut
into patches, colours normalised to 8-bit integers. The licence below disclaims warranties.

"""


def choose(collection, progress):
    """The twelve images and their sixteen patches each."""
    entries = images.in_turn(images.split(collection.entries)["held-out"], IMAGES, 6)
    positions = np.array([row * images.ROWS + column for row in LINES for column in LINES])
    return images.sample(collection, entries, lambda number: positions, progress)


def tensors(sample):
    """Patches I8 `[n, 3, 32, 32]`; label, image number and position in the 7x7 grid, I64 `[n]` each."""
    return {
        "patches": np.ascontiguousarray(sample.patches),
        "labels": sample.labels.astype(np.int64),
        "image": sample.image.astype(np.int64),
        "position": sample.position.astype(np.int64),
    }


def files(sample, golden, attribution):
    """`{file name: bytes}`; `golden` holds logits I64 `[n, 7]` by network."""
    document = {
        "format": 1,
        "classes": list(images.CLASSES),
        "patches_per_image": len(LINES) ** 2,
        "images": [{"image_id": entry.image_id, "lesion_id": entry.lesion_id, "class": images.CLASSES[entry.label]}
                   for entry in sample.entries],
    }
    logits = {f"{name}.logits": np.ascontiguousarray(numbers) for name, numbers in golden.items()}
    return {
        "patches.safetensors": save(tensors(sample)),
        "golden.safetensors": save(logits),
        "patches.json": export.json_text(document).encode(),
        "ATTRIBUTION.txt": (NOTICE.format(count=len(sample.entries)) + attribution.strip() + "\n").encode(),
    }
