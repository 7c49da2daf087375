"""Made-up images and filters with the shapes of the real ones, for the smoke run and the tests."""

import numpy as np

from . import collection


class Collection:
    """Coloured blobs on skin tones; the class moves hue and size, so that a head has something to find."""

    def __init__(self, per_class=16):
        self.entries = [
            collection.Entry(f"MADE_{label}_{number:03}", f"LESION_{label}_{number // 2:03}", label)
            for label in range(len(collection.CLASSES)) for number in range(per_class)
        ]

    def pixels(self, entry):
        """uint8 `[288, 288, 3]`."""
        random = np.random.default_rng((entry.label, int(entry.image_id[-3:])))
        y, x = np.mgrid[:collection.SIDE, :collection.SIDE] - collection.SIDE / 2
        distance = np.hypot(x - random.normal(0, 15), y - random.normal(0, 15))
        blob = 1 / (1 + np.exp((distance - 45 - 8 * entry.label) / 6))
        skin, lesion = np.array([220, 170, 150]), np.array([60 + 18 * entry.label, 90 - 8 * entry.label, 70])
        texture = random.normal(0, 12, (72, 72, 3)).repeat(4, axis=0).repeat(4, axis=1)
        return np.clip(skin + blob[:, :, None] * (lesion - skin) + texture, 0, 255).astype(np.uint8)


def filters(channels, seed=11):
    """`[(weights OIHW, bias)]` of 3x3 convolutions with the given output channels, for three input channels."""
    random = np.random.default_rng(seed)
    out, inputs = [], 3
    for outputs in channels:
        weights = random.normal(0, np.sqrt(2 / (9 * inputs)), (outputs, inputs, 3, 3))
        out.append((weights * random.uniform(0.5, 2, (outputs, 1, 1, 1)), random.normal(0, 0.1, outputs)))
        inputs = outputs
    return out
