"""The tiny quantised network of the tests: a checkpoint of a few kB, and the integers that the framework gives for it.

The gate exports it without the framework and compares: see tests/test_derm_export.py.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from derm_core import export, synthetic

from . import payload, quantform, spec
from .quantised import QuantNetwork

SPEC = spec.vgg("derm-tiny-check", (4,) * 8)
CHECKPOINT, EXPECTED = "tiny-network.safetensors", "tiny-expected.json"
# Of the committed patches, every so many count.
EVERY = 4


def write(out, progress):
    """Writes checkpoint and expected integers into the folder `out`."""
    patches = load_file(payload.FIXTURES / "patches.safetensors")["patches"][::EVERY]
    convolutions = synthetic.filters([layer.channels for layer in SPEC.layers], seed=2)
    random = np.random.default_rng(6)
    head = random.normal(0, 1, (SPEC.outputs, SPEC.features())), random.normal(0, 0.1, SPEC.outputs)
    tensors = quantform.start(SPEC, convolutions, head, patches, progress)
    payload.save_network(Path(out) / CHECKPOINT, SPEC, tensors)
    network = QuantNetwork(SPEC, 0.0).fill(tensors).eval()
    with torch.no_grad():
        sums = network.sums(torch.from_numpy(patches.astype(np.float32))).numpy().astype(np.int64)
    made, unit = quantform.network(SPEC, tensors)
    files = {"circuit.json": export.json_text(export.circuit(made)).encode(), "weights.safetensors": export.weights(made)}
    expected = {
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "logit_per_integer": unit,
        "sums": sums.tolist(),
    }
    payload.write(out, {EXPECTED: (json.dumps(expected) + "\n").encode()})
