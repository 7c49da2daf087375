"""The files that are signed: circuit, weights, contract, golden vectors, card. No deep-learning framework."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cardio_lr.errors import DataProblem
from derm_core import collection, contract, export
from export import contract as device
from export.head import Largest

from . import card, quantform
from .spec import Spec

FIXTURES = Path(__file__).resolve().parents[3] / "tests/fixtures/patches"
# The middle patch of an image of each of these classes.
GOLDEN_CLASSES = ("akiec", "mel", "nv")
GOLDEN_POSITION = collection.PATCHES // 2
INTENDED_USE = (
    "Research on encrypted diagnosis: it compares a dermoscopy image of one pigmented lesion with the seven classes of "
    "HAM10000 while the image stays encrypted. Made for images taken with a dermatoscope, the lesion in the middle."
)
NOT_FOR = (
    "Not a medical device. Not for diagnosis, triage, reassurance or treatment, and not as a second opinion. Not for photographs "
    "taken without a dermatoscope, for nails, mucosa or hairy scalp, for children, or for any class it was not trained on: "
    "it always names one of seven."
)
WARNING = (
    "Not a diagnosis. On images it had not seen, all classes counting the same, it named the right one of seven for {accuracy:.0f} %; "
    "guessing gives 14 %. A melanoma can be called harmless. It was trained almost only on light skin. Whatever it says, have "
    "the lesion looked at by a clinician."
)
LICENCE = {
    "name": "CC BY-NC 4.0",
    "text": "Trained on HAM10000 (ViDIR Group, Medical University of Vienna, doi 10.1038/sdata.2018.161), which may not be used "
            "commercially. Whether a network trained on it may be is not settled: treat this one as non-commercial, and ask the "
            "owners of the images before you ship a box with it.",
    "non_commercial": True,
}
MADE_UP = "Made from made-up images: its results mean nothing at all. "


def files(spec, tensors, report, golden_patches):
    """`{file: bytes}` of the payload; `parameters.json` is obscura-compile's."""
    network, unit = quantform.network(spec, tensors)
    written = {"circuit.json": export.json_text(export.circuit(network)).encode(), "weights.safetensors": export.weights(network)}
    # What is evaluated is what was written.
    network = export.read(spec.name, written["circuit.json"], written["weights.safetensors"])
    head = Largest(unit, report["temperature"])
    return written | {
        "contract.json": export.json_text(_contract(spec, report, head.scores(contract.OUTPUT))).encode(),
        "golden.json": export.json_text(_golden(network, golden_patches, head)).encode(),
        "card.md": card.render(report).encode(),
    }


def _contract(spec, report, scores):
    accuracy = report["figures"]["quantised"]["balanced_accuracy"]["value"]
    texts = {
        "model_id": spec.name,
        "title": "Dermoscopy, seven classes (VGG11 in 5 bits)",
        "intended_use": INTENDED_USE,
        "not_for": NOT_FOR,
        "warning": (MADE_UP if report["made_up_data"] else "") + WARNING.format(accuracy=100 * accuracy),
    }
    image = {"side": collection.SIDE, "crop": collection.CROP, "patch": collection.PATCH, "scale": collection.INPUT_SCALE,
             "mean": collection.MEAN, "deviation": collection.DEVIATION}
    classes = [(name, *contract.CLASSES[name]) for name in collection.CLASSES]
    return device.contract(texts, LICENCE, image, classes, scores)


def golden_patches():
    """`[(name, patch)]` of the committed fixtures: no other image may be committed, and golden vectors hold patches."""
    stored = load_file(FIXTURES / "patches.safetensors")
    listed = json.loads((FIXTURES / "patches.json").read_bytes())["images"]
    found = []
    for name in GOLDEN_CLASSES:
        own = (stored["labels"] == collection.CLASSES.index(name)) & (stored["position"] == GOLDEN_POSITION)
        place = int(np.flatnonzero(own)[0])
        image = listed[int(stored["image"][place])]["image_id"]
        found.append((f"{name}, {image}, patch {GOLDEN_POSITION}", stored["patches"][place]))
    return found


def _golden(network, patches, head):
    return device.golden([(name, patch, network.logits(patch[None])[0]) for name, patch in patches], [], head)


def write(folder, written):
    """Writes all files, each beside its name first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        beside = folder / f"{name}.new"
        beside.write_bytes(content)
        os.replace(beside, folder / name)


def save_network(path, spec, tensors):
    """The quantised network as one safetensors file, its spec among the metadata."""
    # One order of tensors and keys: the same network is the same bytes.
    ordered = {name: np.array(tensors[name], order="C") for name in sorted(tensors)}
    write(Path(path).parent, {Path(path).name: save(ordered, {"spec": json.dumps(spec.to_json(), sort_keys=True)})})


def load_network(path):
    """`(spec, tensors)` of such a file."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            return (Spec.from_json(json.loads(opened.metadata()["spec"])),
                    {name: opened.get_tensor(name) for name in opened.keys()})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataProblem(f"{path} is not a quantised network: {error}") from error
