"""The commands, step by step."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from threadpoolctl import threadpool_limits

from cardio_lr.errors import DataProblem

from derm_core import export, imagenet, integer, synthetic

from . import card, contract, fixtures, golden, head, images, measure, networks

NETWORKS = ("derm-tiny", "derm-small", "derm-vgg11")
REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "models/shipped/stand-in"
# What is signed and shipped lies in a folder of its own, beside the report.
PAYLOAD = "payload"
# Of the smoke run: every layer of VGG11, a sixteenth of its channels.
SMOKE_WIDTHS = tuple(channels // 16 for channels in networks.VGG11)


@dataclass(frozen=True)
class Amounts:
    """How many images of each part are read, and patches of each; `test_images` whole."""

    calibration_images: int
    calibration_per_image: int
    head_images: int
    head_per_image: int
    test_images: int
    measured_patches: int


AMOUNTS = {
    "derm-tiny": Amounts(400, 4, 1600, 14, 280, 2048),
    "derm-small": Amounts(400, 4, 1600, 14, 280, 2048),
    "derm-vgg11": Amounts(300, 3, 1000, 6, 140, 1024),
}
SMOKE_AMOUNTS = Amounts(12, 2, 42, 2, 7, 32)


def train(data_dir, out, names, progress):
    """Makes the named networks below `out`. Without `data_dir`: made-up images and filters, narrow VGG11."""
    collection = images.Collection(data_dir) if data_dir else synthetic.Collection()
    parts = images.split(collection.entries)
    for name in names:
        amounts = AMOUNTS[name] if data_dir else SMOKE_AMOUNTS
        _train_one(name, data_dir, collection, parts, amounts, Path(out) / name, progress)


def _train_one(name, data_dir, collection, parts, amounts, folder, progress):
    def take(part, count, per_image, seed):
        chosen = images.in_turn(parts[part], count, seed)
        if not chosen:
            raise DataProblem(f"part {part} has no images")
        return images.sample(collection, chosen, images.random_positions(per_image, seed), progress)

    progress.stage(f"{name}: reading images")
    calibration = take("calibration", amounts.calibration_images, amounts.calibration_per_image, 1)
    fitting = take("head", amounts.head_images, amounts.head_per_image, 2)
    # Products of integers are exact in any order; everything fitted runs on one thread, so that a run repeats.
    if name == "derm-tiny":
        with threadpool_limits(1):
            body = networks.tiny(calibration, fitting, progress)
    elif name == "derm-small":
        with threadpool_limits(1):
            body = networks.small(calibration, fitting, progress)
    else:
        filters = imagenet.filters(data_dir) if data_dir else synthetic.filters(SMOKE_WIDTHS)
        body = networks.vgg11(filters, calibration, progress)
    progress.stage(f"{name}: features of {len(fitting.patches)} patches for the head")
    features, validation = body.logits(fitting.patches, progress), body.logits(calibration.patches, progress)
    with threadpool_limits(1):
        fitted = head.fit(features, fitting.labels, validation, calibration.labels, progress)
    made = integer.Network(name, body.shape, [*body.layers, fitted.layer])
    files = {"circuit.json": export.json_text(export.circuit(made)).encode(),
             "weights.safetensors": export.weights(made)}
    network = export.read(name, files["circuit.json"], files["weights.safetensors"])

    progress.stage(f"{name}: {amounts.test_images} held-out images")
    test = take("held-out", amounts.test_images, images.PATCHES, 3)
    logits = network.logits(test.patches, progress)
    spread = np.random.default_rng(4).permutation(len(test.patches))[:amounts.measured_patches]
    report = {
        "format": 1, "model_id": name, "stand_in": True, "made_up_data": data_dir is None,
        "images": {"calibration": len(calibration.entries), "head": len(fitting.entries), "test": len(test.entries)},
        "patches": {"calibration": len(calibration.patches), "head": len(fitting.patches), "test": len(test.patches)},
        "classes": list(images.CLASSES),
        "test": head.scores(logits, test),
        "head": {"penalty_C": fitted.strength} | measure.head(network, logits, fitted.unit),
        "circuit": measure.layers(network, test.patches[np.sort(spread)], progress),
    }
    files |= _descriptions(report, network, fixtures.choose(collection, progress))
    _write(folder / PAYLOAD, files)
    _write(folder, {"report.json": export.json_text(report).encode()})
    progress.stage(f"written to {folder}")


def _descriptions(report, network, sample):
    """The files of a payload that follow from the report and the network: card, contract, golden vectors."""
    return {
        "card.md": card.render(report).encode(),
        "contract.json": export.json_text(contract.contract(report)).encode(),
        "golden.json": export.json_text(golden.golden(network, sample)).encode(),
    }


def _write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)


def describe(data_dir, models, names, progress):
    """Writes card, contract and golden vectors again of networks that are there; the networks stay as they are."""
    sample = fixtures.choose(images.Collection(data_dir), progress)
    for name in names:
        folder = Path(models) / name
        try:
            report = json.loads((folder / "report.json").read_bytes())
        except OSError as error:
            raise DataProblem(f"{error.filename} cannot be read; make the network with `train` first") from error
        _write(folder / PAYLOAD, _descriptions(report, read_network(name, models), sample))
        progress.stage(f"written to {folder / PAYLOAD}")


def read_network(name, models):
    """The network of a folder below `models`, or `DataProblem`."""
    folder = Path(models) / name / PAYLOAD
    try:
        return export.read(name, (folder / "circuit.json").read_bytes(), (folder / "weights.safetensors").read_bytes())
    except OSError as error:
        raise DataProblem(f"{error.filename} cannot be read; make the network with `train` first") from error


def write_fixtures(data_dir, models, out, names, progress):
    """Writes the twelve images' patches and the golden logits of the networks named."""
    sample = fixtures.choose(images.Collection(data_dir), progress)
    logits = {name: read_network(name, models).logits(sample.patches, progress) for name in names}
    attribution = (Path(data_dir) / images.FOLDER / "ISIC2018_ATTRIBUTION.txt").read_text(encoding="utf-8")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in fixtures.files(sample, logits, attribution).items():
        (folder / file).write_bytes(content)
        progress.stage(f"written {folder / file}")


def write_patches(data_dir, count, per_image, out, progress):
    """Writes `count` patches of held-out images, the classes taking turns, for long evaluations."""
    collection = images.Collection(data_dir)
    wanted = -(-count // per_image)
    chosen = images.in_turn(images.split(collection.entries)["held-out"], wanted, 5)
    if len(chosen) < wanted:
        raise DataProblem(f"{count} patches need {wanted} held-out images at {per_image} each, there are {len(chosen)}")
    sample = images.sample(collection, chosen, images.random_positions(per_image, 5), progress)
    tensors = {key: value[:count] for key, value in fixtures.tensors(sample).items()}
    Path(out).write_bytes(save(tensors))
    progress.stage(f"written {out}: {count} patches of {len(chosen)} images")
