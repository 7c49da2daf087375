"""The commands that need the deep-learning framework, step by step. Every step leaves a file, and a step whose file is
there is not done again: the same command goes on after a stop."""

import json
from pathlib import Path

import numpy as np
import torch

from cardio_lr.errors import DataProblem
from derm_core import collection, imagenet
from derm_core.export import json_text, read

from . import data, handover, metrics, payload, pictures, quantform, schedule, spec, synthetic, training
from .network import FloatNetwork, folded, start_from
from .quantised import QuantNetwork
from .training import Run, device, read_checkpoint

# Noise at the tables' inputs while the quantised network is trained, in activation steps: what two levels of
# decomposition give (0.36), and a little more.
NOISE_STEPS = 0.4
# Patches for ranges and clip points: images of the calibration part, and patches of each.
CALIBRATION_IMAGES, CALIBRATION_PATCHES = 400, 3
NETWORK = "network.safetensors"
# Patches on which the files must give the integers of the network that was evaluated.
CHECKED_PATCHES = 500


class Workplace:
    """Data, work folder, network and schedules of one model; made-up data without `data_dir`."""

    def __init__(self, work, data_dir=None, integers=None, model=None):
        self.work, self.data_dir, self.integers = Path(work), data_dir, integers
        self.made_up = data_dir is None
        self.spec = model or (spec.SMOKE if self.made_up else spec.VGG11)
        plans = (schedule.LEAN_FLOAT, schedule.LEAN_QUANTISED) if model else (schedule.FLOAT, schedule.QUANTISED)
        self.float_schedule, self.quantised_schedule = (schedule.SMOKE, schedule.SMOKE) if self.made_up else plans
        self._made = synthetic.parts() if self.made_up else None

    def part(self, name, test_may_be_opened=False):
        """The images of a part."""
        if self.made_up:
            return self._made[name]
        return data.open_part(name, self.data_dir, self.integers, test_may_be_opened)

    def entries(self):
        """All images of all parts, without their pixels."""
        if self.made_up:
            return {name: images.entries for name, images in self._made.items()}
        return data.split(collection.read_list(self.data_dir))

    def filters(self):
        """The convolutions to start from, for a network of VGG11's shape; others start at random."""
        if self.spec == spec.SMOKE:
            return synthetic.filters()
        return imagenet.filters(self.data_dir) if self.spec == spec.VGG11 else None

    def network_path(self):
        """The finished quantised network."""
        return self.work / "quantised" / NETWORK


def train(place, out, progress):
    """All stages: float, quantised, ranges, temperature, the files for obscura-compile."""
    train_float(place, progress)
    if place.made_up:
        _check_stops(place, progress)
    train_quantised(place, progress)
    export(place, out, "validation", progress)


def train_float(place, progress, name="float", epochs=None):
    """Floating point, from the ImageNet start; returns the best network."""
    # Weights in the order in which the processor's convolutions read them.
    torch.manual_seed(place.float_schedule.seed)
    network = FloatNetwork(place.spec).to(memory_format=torch.channels_last)
    if filters := place.filters():
        start_from(network, filters)
    return _run(place, network, place.float_schedule, name, progress, epochs)


def _check_stops(place, progress):
    """Fails unless a run that is stopped after every epoch ends as the one that never was."""
    name = "stopped"
    for _ in range(sum(phase.epochs for phase in place.float_schedule.phases)):
        train_float(place, progress, name, epochs=1)
    whole, pieces = (read_checkpoint(place.work / folder / "last.pt")["network"] for folder in ("float", name))
    different = [key for key, value in whole.items() if not torch.equal(value, pieces[key])]
    if different:
        raise DataProblem(f"a run that was stopped ends differently: {', '.join(different)}")
    progress.stage("a run that was stopped after every epoch ends as the one that was not")


def train_quantised(place, progress):
    """5 bits, from the float network; returns the best network with tables that fit the calibration part."""
    network = QuantNetwork(place.spec, NOISE_STEPS).to(memory_format=torch.channels_last)
    if place.network_path().exists():
        return _filled(place, network)
    network.fill(_start(place, progress))
    _run(place, network, place.quantised_schedule, "quantised", progress)
    progress.stage("ranges of the tables")
    tensors = quantform.calibrated(place.spec, network.tensors(), _calibration_patches(place, 1), progress)
    payload.save_network(place.network_path(), place.spec, tensors)
    return _filled(place, network)


def _run(place, network, plan, name, progress, epochs=None):
    images = place.part("training")
    watched = data.watched(place.part("validation"), plan.watched_per_class)
    progress.stage(f"{name}: {len(images)} images to train on, {len(watched)} watched, on {device()}")
    return Run(network, images, watched, plan, place.work / name, progress).go(epochs)


def _start(place, progress):
    """The float network in 5 bits, before any training of it."""
    path = place.work / "quantised" / "start.safetensors"
    if not path.exists():
        network = FloatNetwork(place.spec)
        network.load_state_dict(read_checkpoint(place.work / "float" / "best.pt")["network"])
        head = [values.detach().double().numpy() for values in (network.head.weight, network.head.bias)]
        patches = _calibration_patches(place, 0)
        tensors = quantform.start(place.spec, folded(network), head, patches, progress)
        if network.clear is not None:
            tensors |= {f"clear.{name}": value.numpy() for name, value in network.clear.state_dict().items()}
        payload.save_network(path, place.spec, tensors)
    return payload.load_network(path)[1]


def _calibration_patches(place, seed):
    images = place.part("calibration")
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(images))[:CALIBRATION_IMAGES]
    kept = [images.patches(number)[random.permutation(collection.PATCHES)[:CALIBRATION_PATCHES]] for number in chosen]
    return np.concatenate(kept)


def _filled(place, network):
    saved, tensors = payload.load_network(place.network_path())
    if saved != place.spec:
        raise DataProblem(f"{place.network_path()} is a network of another spec")
    return network.fill(tensors).to(device())


def scans(place, name, part, progress, test_may_be_opened=False, noise=None):
    """`(images, logits [images, classes])` of network `name` ("float" or "quantised"), kept in the work folder; `noise` is the
    seed and deviation in table entries of one noisy evaluation, or None."""
    images = place.part(part, test_may_be_opened)
    source = place.network_path() if name == "quantised" else place.work / "float" / "best.pt"
    kept = place.work / name / f"scans-{part}{'-noise-{}-{}'.format(*noise) if noise else ''}.npy"
    if kept.exists() and kept.stat().st_mtime > source.stat().st_mtime:
        return images, np.load(kept)
    if name == "quantised":
        network = _filled(place, QuantNetwork(place.spec, 0.0))
    else:
        network = FloatNetwork(place.spec).to(device())
        network.load_state_dict(read_checkpoint(source)["network"])
    if noise:
        torch.manual_seed(noise[0])
        network.noise_entries = noise[1]
    progress.stage(f"{name}: {len(images)} images of the {part} part" + (f", noise {noise[1]}, seed {noise[0]}" if noise else ""))
    found = training.scans(network, images, progress, what=f"{name}, {part}, images")
    np.save(kept, found)
    return images, found


def evaluate(place, part, progress, test_may_be_opened=False, noise=0.0, draws=0):
    """`({network: {figure: value and interval}}, temperatures)` of a part; temperatures come from the calibration part.

    With `draws`, also of the quantised network with noise of `noise` table entries: means over the draws, whose intervals
    include what lies between draws.
    """
    found, temperatures = {}, {}
    for name in ("float", "quantised"):
        calibration, raw = scans(place, name, "calibration", progress)
        temperatures[name] = metrics.temperature(calibration.labels, raw)
        images, raw = scans(place, name, part, progress, test_may_be_opened)
        shares = metrics.probabilities(raw, temperatures[name])
        found[name] = metrics.with_intervals(images.labels, shares[None], _lesions(images))
    if draws:
        noisy = [scans(place, "quantised", part, progress, test_may_be_opened, (seed, noise))[1] for seed in range(draws)]
        shares = metrics.probabilities(np.array(noisy), temperatures["quantised"])
        found["quantised, with noise"] = metrics.with_intervals(images.labels, shares, _lesions(images))
    return found, temperatures


def _lesions(images):
    return [entry.lesion_id for entry in images.entries]


def export(place, out, part, progress, test_may_be_opened=False):
    """Writes `out`/export for obscura-compile, report.json and the curve."""
    figures, temperatures = evaluate(place, part, progress, test_may_be_opened)
    saved, tensors = payload.load_network(place.network_path())
    histories = [(name, json.loads((place.work / name / "history.json").read_bytes())) for name in ("float", "quantised")]
    report = {
        "format": 1, "model_id": saved.name, "made_up_data": place.made_up, "spec": saved.to_json(),
        "tables_per_patch": saved.tables(), "split_seed": data.SPLIT_SEED, "parts": _counts(place.entries()),
        "schedules": {"float": place.float_schedule.to_json(), "quantised": place.quantised_schedule.to_json()},
        "noise_steps_in_training": NOISE_STEPS, "temperature": temperatures["quantised"],
        "figures_part": part, "figures": figures, "history": dict(histories),
    }
    patches = synthetic.golden_patches(place.part("training")) if place.made_up else payload.golden_patches()
    written = payload.files(saved, tensors, report, patches)
    network = _same_integers(place, written, progress)
    written |= {handover.CALIBRATION: handover.calibration(place.part("calibration")),
                handover.LAYERS: handover.layers(network, np.stack([patch for _, patch in patches]))}
    payload.write(Path(out) / "export", written)
    payload.write(out, {"report.json": json_text(report).encode()})
    pictures.curve(Path(out) / "training.png", histories)
    progress.stage(f"written to {out}")


def _same_integers(place, written, progress):
    """The network of the files; fails unless it gives the integers of the one that was evaluated, on calibration patches."""
    patches = _calibration_patches(place, 2)[:CHECKED_PATCHES]
    evaluated = _filled(place, QuantNetwork(place.spec, 0.0)).eval()
    with torch.no_grad():
        sums = [evaluated.sums(torch.from_numpy(some.astype(np.float32)).to(device())).cpu().numpy()
                for some in np.array_split(patches, max(1, len(patches) // 64))]
    network = read(place.spec.name, written["circuit.json"], written["weights.safetensors"])
    reference = network.logits(patches, progress)
    different = int((np.concatenate(sums).astype(np.int64) != reference).any(axis=1).sum())
    if different:
        raise DataProblem(f"{different} of {len(patches)} patches get other integers from the files than in training")
    progress.stage(f"{len(patches)} patches get the same integers from the files as in training")
    return network


def _counts(entries):
    return {name: {"images": len(part), "lesions": len({entry.lesion_id for entry in part}),
                   "classes": data.class_counts([entry.label for entry in part]).tolist()}
            for name, part in entries.items()}
