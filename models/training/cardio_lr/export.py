"""Writes the payload: same model, same bytes.

parameters.json is copied, not written: which ciphertexts carry the model is decided by the fhe crates.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from . import contract, golden

REPOSITORY = Path(__file__).resolve().parents[3]
PARAMETERS = REPOSITORY / "models/fhe-core/parameters/record-2048.json"


def json_text(document):
    """UTF-8 JSON, two spaces, keys in the order given, trailing newline."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def circuit(model):
    """Returns circuit.json as a dict."""
    return {
        "format": 1,
        "nodes": [
            {"op": "input", "name": "record", "shape": [len(model.scales)],
             "min": [int(value) for value in model.minimum], "max": [int(value) for value in model.maximum]},
            {"op": "linear", "name": "score", "input": "record", "weights": "score.weights", "bias": "score.bias"},
            {"op": "lut", "name": "probability", "input": "score", "table": "probability.table",
             "origin": model.table.origin, "step": model.table.step},
            {"op": "output", "name": "score", "input": "score"},
            {"op": "output", "name": "probability", "input": "probability"},
        ],
    }


def weights(model):
    """Returns weights.safetensors as bytes."""
    return save({
        "score.weights": model.linear.weights.astype(np.int32).reshape(1, -1),
        "score.bias": np.array([model.linear.bias], dtype=np.int64),
        "probability.table": model.table.entries.astype(np.int32).reshape(1, -1),
    })


def payload(model, card):
    """Returns `{file name: bytes}`; parameters.json is absent while its source does not exist."""
    files = {
        "circuit.json": json_text(circuit(model)).encode(),
        "weights.safetensors": weights(model),
        "contract.json": json_text(contract.contract(model)).encode(),
        "golden.json": json_text(golden.golden(model)).encode(),
        "card.md": card.encode(),
    }
    if PARAMETERS.is_file():
        files["parameters.json"] = PARAMETERS.read_bytes()
    return files


def write(directory, files):
    """Writes exactly `files` into `directory`; a file of an earlier run that is not among them goes."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        if old.is_file() and old.name not in files:
            old.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
