"""The training loop: phases of epochs, a checkpoint after each, and the same run again from any of them."""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from cardio_lr.errors import DataProblem
from derm_core import collection

from . import augment, metrics
from .clearhead import scan_logits

CHECKPOINT_FORMAT = 1


def device():
    """An accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def scans(network, images, progress=None, images_per_batch=4, what="scans"):
    """float32 `[images, classes]`: the logits of all images, each of all its 49 patches."""
    found, place = [], next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        for start in range(0, len(images), images_per_batch):
            if progress:
                progress.step(what, start, len(images))
            some = range(start, min(start + images_per_batch, len(images)))
            patches = np.concatenate([images.patches(number) for number in some]).astype(np.float32)
            outputs = network(torch.from_numpy(patches).to(place)).reshape(len(some), collection.PATCHES, -1)
            places = torch.arange(collection.PATCHES, device=place).expand(len(some), -1)
            found.append(scan_logits(network.clear, outputs, places).cpu().numpy())
    return np.concatenate(found)


def score(network, images, progress):
    """Balanced accuracy and macro AUC of scans; all 49 patches of each count."""
    found = scans(network, images, progress)
    return {"balanced_accuracy": round(metrics.balanced_accuracy(images.labels, found.argmax(axis=1)), 4),
            "macro_auc": round(metrics.macro_auc(images.labels, metrics.probabilities(found)), 4)}


class Run:
    """One training run in a folder: `last.pt` to go on from, `best.pt` to use, `history.json` to look at."""

    def __init__(self, network, images, watched, schedule, folder, progress):
        self.network, self.images, self.watched = network.to(device()), images, watched
        self.schedule, self.folder, self.progress = schedule, Path(folder), progress
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=schedule.weight_decay)
        self.weights = torch.from_numpy(augment.weights(images.labels)).float().to(device())
        self.history, self.best = [], -1.0
        self.phase = self.epoch = self.without_gain = 0
        torch.manual_seed(schedule.seed)
        # Moments of rarely used weights become so small that a processor takes ten times as long with them.
        torch.set_flush_denormal(True)

    def go(self, epochs=None):
        """Trains from where the folder stands to the end of the schedule, or for `epochs` more; the network ends as the best
        of all epochs so far."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        end = None if epochs is None else len(self.history) + epochs
        while self.phase < len(self.schedule.phases) and len(self.history) != end:
            phase = self.schedule.phases[self.phase]
            self._train_epoch(phase)
            self.epoch += 1
            if self.epoch >= phase.epochs or self.without_gain >= self.schedule.patience:
                self.phase, self.epoch, self.without_gain = self.phase + 1, 0, 0
            self._save()
        self.network.load_state_dict(read_checkpoint(self.folder / "best.pt")["network"])
        return self.network

    def _train_epoch(self, phase):
        start = time.monotonic()
        random = np.random.default_rng((self.schedule.seed, self.phase, self.epoch))
        drawn = augment.draw(self.images.labels, phase.draws, random)
        self.network.train()
        per_step, losses = phase.images_per_step, []
        steps = len(drawn) // per_step
        for step in range(steps):
            self.progress.step(f"{phase.name}, epoch {self.epoch + 1} of {phase.epochs}, images",
                               step * per_step, len(drawn))
            self._rate(phase, (self.epoch + step / steps) / phase.epochs)
            losses.append(self._step(drawn[step * per_step:(step + 1) * per_step], phase.patches, random))
        trained = time.monotonic()
        scores = score(self.network, self.watched, self.progress)
        row = {"phase": phase.name, "epoch": self.epoch + 1, "loss": round(float(np.mean(losses)), 4), **scores,
               "train_s": round(trained - start, 1), "validate_s": round(time.monotonic() - trained, 1)}
        self.history.append(row)
        self.progress.stage(json.dumps(row))
        self.without_gain += 1
        if scores["balanced_accuracy"] > self.best:
            self.best, self.without_gain = scores["balanced_accuracy"], 0
            write_checkpoint(self.folder / "best.pt", {"network": self.network.state_dict(), **self._description()})

    def _step(self, numbers, patches, random):
        drawn = [augment.sample(self.images.square(number), patches, random) for number in numbers]
        batch, places = (torch.from_numpy(np.stack(part)).to(device()) for part in zip(*drawn))
        labels = torch.from_numpy(self.images.labels[numbers]).to(device())
        outputs = self.network(batch.flatten(0, 1)).reshape(len(numbers), patches, -1)
        found = scan_logits(self.network.clear, outputs, places)
        # Not divided by the weights in this step: then a rare image would count less beside another rare one.
        loss = functional.cross_entropy(found, labels, self.weights, reduction="sum",
                                        label_smoothing=self.schedule.label_smoothing) / len(numbers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        return float(loss.detach())

    def _rate(self, phase, share):
        swing = (1 + math.cos(math.pi * share)) / 2
        rate = phase.last_rate + (phase.rate - phase.last_rate) * swing
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, share / phase.warm_up) if phase.warm_up else rate

    def _description(self):
        return {"format": CHECKPOINT_FORMAT, "spec": self.network.spec.to_json(), "schedule": self.schedule.to_json(),
                "best": self.best, "history": self.history}

    def _save(self):
        write_checkpoint(self.folder / "last.pt", {
            **self._description(), "network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(),
            "phase": self.phase, "epoch": self.epoch, "without_gain": self.without_gain,
            "generator": torch.get_rng_state(),
            "accelerator_generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        })
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1) + "\n", encoding="utf-8")

    def _resume(self):
        path = self.folder / "last.pt"
        if not path.exists():
            return
        saved = read_checkpoint(path)
        same = {"spec": self.network.spec.to_json(), "schedule": self.schedule.to_json()}
        for name, value in same.items():
            if json.dumps(saved[name]) != json.dumps(value):
                raise DataProblem(f"{path} was trained with another {name}; use another --out, or remove it")
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.history, self.best = saved["history"], saved["best"]
        self.phase, self.epoch, self.without_gain = saved["phase"], saved["epoch"], saved["without_gain"]
        torch.set_rng_state(saved["generator"])
        # Without an accelerator there, or another number of them, a run goes on all the same, with other noise.
        if len(saved.get("accelerator_generators", [])) == torch.cuda.device_count() > 0:
            torch.cuda.set_rng_state_all(saved["accelerator_generators"])
        self.progress.stage(f"going on from {path}: {len(self.history)} epochs are done")


def write_checkpoint(path, content):
    """Writes beside the file and renames, so that a run that is killed leaves the checkpoint before."""
    beside = path.with_suffix(".new")
    torch.save(content, beside)
    os.replace(beside, path)


def read_checkpoint(path):
    """What a checkpoint holds, on the CPU; tensors and plain values only, so that a file cannot run code."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataProblem(f"{path} cannot be read: {error}") from error
    if saved.get("format") != CHECKPOINT_FORMAT:
        raise DataProblem(f"{path} has checkpoint format {saved.get('format')}, this program reads {CHECKPOINT_FORMAT}")
    return saved
