"""Small heads of every kind on made-up numbers, so that device and exporter are held against each other."""

import json
from pathlib import Path

import numpy as np

from .contract import contract
from .head import Head, Largest

PATH = Path(__file__).resolve().parents[3] / "tests/fixtures/heads.json"
INPUTS, UNITS, PATCHES = 5, 4, 4
CLASSES = ("akiec", "mel", "nv")
IMAGE = {"side": 6, "crop": 4, "patch": 2, "scale": 48, "mean": (0.485, 0.456, 0.406),
         "deviation": (0.229, 0.224, 0.225)}
TEXTS = {"model_id": "made-up", "title": "Made-up numbers", "intended_use": "Tests.", "not_for": "Anything else.",
         "warning": "Made up."}
LICENCE = {"name": "CC0 1.0", "text": "Made-up numbers.", "non_commercial": False}


def heads():
    """Name and head of each case."""
    draw = np.random.default_rng(5)

    def numbers(*shape):
        return draw.normal(size=shape)

    def classes(width):
        return {"classes_weights": numbers(len(CLASSES), width), "classes_bias": numbers(len(CLASSES))}

    def hidden(positions):
        layer = {"hidden_weights": numbers(UNITS, INPUTS), "hidden_bias": numbers(UNITS)}
        return layer | ({"positions": numbers(PATCHES, UNITS)} if positions else {})

    return {
        "largest logit": Largest(0.0125, 1.3),
        "mean": Head(0.01, mean=True, **classes(INPUTS)),
        "max": Head(0.01, max=True, **classes(INPUTS)),
        "attention": Head(0.01, attention=numbers(1, INPUTS), **classes(INPUTS)),
        "hidden, mean": Head(0.01, temperature=0.8, mean=True, **hidden(False), **classes(UNITS)),
        "hidden, position, every pool": Head(0.01, temperature=1.7, mean=True, max=True, attention=numbers(2, UNITS),
                                             **hidden(True), **classes(4 * UNITS)),
    }


def text():
    """Returns heads.json, one case a line: contract, outputs of two images, probabilities and map."""
    draw = np.random.default_rng(6)
    cases = [json.dumps(_case(name, head, draw)) for name, head in heads().items()]
    return '{"cases": [\n' + ",\n".join(cases) + "\n]}\n"


def _case(name, head, draw):
    width = len(CLASSES) if isinstance(head, Largest) else head.inputs
    outputs = draw.integers(-300, 300, size=(2, PATCHES, width))
    probabilities, (shares, weights) = head.probabilities(outputs), head.map(outputs)
    return {
        "name": name,
        "contract": contract(TEXTS, LICENCE, IMAGE, [(one, one.upper(), f"Is {one}.") for one in CLASSES],
                             head.scores("features")),
        "scans": [{"name": f"{name}, {scan}", "outputs": outputs[scan].tolist(),
                   "probabilities": probabilities[scan].tolist()} for scan in range(len(outputs))],
        "maps": [[[int(share.argmax()), float(share.max()), float(weight)]
                  for share, weight in zip(shares[scan], weights[scan])] for scan in range(len(outputs))],
    }
