"""A committed checkpoint of a quantised network becomes the committed integers, without a deep-learning framework.

`python -m derm tiny` wrote both, with the framework: what is equal here is what training evaluated.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load, load_file

from cardio_lr.errors import DataProblem
from derm import handover, payload, quantform, synthetic
from derm_core import collection, export, integer, quantise

from test_standin_integer import naive

DATA = Path(__file__).parent / "data"
CHECKPOINT = DATA / "tiny-network.safetensors"
# As in derm/tiny.py, which needs the framework.
EVERY = 4


def patches():
    return load_file(payload.FIXTURES / "patches.safetensors")["patches"][::EVERY]


class TinyNetwork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spec, cls.tensors = payload.load_network(CHECKPOINT)
        cls.network, cls.unit = quantform.network(cls.spec, cls.tensors)
        cls.expected = json.loads((DATA / "tiny-expected.json").read_bytes())

    def files(self):
        return {"circuit.json": export.json_text(export.circuit(self.network)).encode(),
                "weights.safetensors": export.weights(self.network)}

    def test_the_files_have_the_committed_bytes(self):
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in self.files().items()}
        self.assertEqual(hashes, self.expected["sha256"])

    def test_the_files_give_the_integers_that_the_framework_gave(self):
        read = export.read("read", *self.files().values())
        sums = read.logits(patches())
        self.assertTrue((sums == np.array(self.expected["sums"])).all())
        self.assertGreater(len(np.unique(sums, axis=0)), 40)
        self.assertEqual(self.unit, self.expected["logit_per_integer"])

    def test_plain_python_loops_agree_on_a_patch(self):
        patch = patches()[5]
        self.assertTrue((self.network.logits(patch[None])[0] == naive(self.network, patch)).all())

    def test_weights_and_activations_have_five_bits(self):
        for layer in self.network.layers:
            if isinstance(layer, (integer.Conv, integer.Linear)):
                self.assertTrue(((layer.weights >= -16) & (layer.weights <= 15)).all(), layer.name)
            if isinstance(layer, integer.Table):
                self.assertEqual((layer.entries.min(), layer.entries.max()), (0, 31), layer.name)

    def test_there_are_as_many_tables_as_the_spec_counts(self):
        counted = 0
        x = np.ascontiguousarray(patches()[:1].transpose(0, 2, 3, 1))
        for layer in self.network.layers:
            x = layer(x)
            counted += x.size if isinstance(layer, integer.Table) else 0
        self.assertEqual(counted, self.spec.tables())

    def test_ranges_follow_the_patches_and_nothing_else_moves(self):
        some = patches()[:12]
        moved = quantform.calibrated(self.spec, self.tensors, some, None)
        for name, value in moved.items():
            if not name.endswith((".step", ".calibrated")):
                self.assertTrue((value == self.tensors[name]).all(), name)
        network, _ = quantform.network(self.spec, moved)
        x = np.ascontiguousarray(some.transpose(0, 2, 3, 1))
        for layer in network.layers:
            if isinstance(layer, integer.Table):
                low, high = layer.calibrated
                self.assertTrue(low <= x.min() and x.max() <= high, layer.name)
                guard = quantise.GUARD_ENTRIES * layer.step
                ramp = ((layer.entries > 0) & (layer.entries < 31)).sum(axis=1).max() * layer.step
                self.assertLessEqual(max(-low, high) + ramp / 2, quantise.ENTRIES * layer.step - guard + layer.step)
            x = layer(x)

    def test_a_file_that_is_no_network_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            for content in (b"", CHECKPOINT.read_bytes()[:500]):
                path = Path(folder) / "broken.safetensors"
                path.write_bytes(content)
                with self.assertRaisesRegex(DataProblem, "broken.safetensors"):
                    payload.load_network(path)
            with self.assertRaisesRegex(DataProblem, "missing.safetensors"):
                payload.load_network(Path(folder) / "missing.safetensors")

    def test_saving_twice_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "again.safetensors"
            payload.save_network(path, self.spec, self.tensors)
            self.assertEqual(path.read_bytes(), CHECKPOINT.read_bytes())


class Payload(unittest.TestCase):
    def setUp(self):
        spec, tensors = payload.load_network(CHECKPOINT)
        figure = {"value": 0.5, "low": 0.4, "high": 0.6}
        report = {
            "made_up_data": False, "spec": spec.to_json(), "tables_per_patch": spec.tables(), "split_seed": 1,
            "parts": {"test": {"images": 9, "lesions": 8, "classes": [1] * 7}}, "figures_part": "test", "temperature": 1.25,
            "figures": {name: {"balanced_accuracy": figure} for name in ("float", "quantised")},
        }
        self.files = payload.files(spec, tensors, report, payload.golden_patches())

    def test_golden_vectors_are_patches_of_committed_images_and_reproduce(self):
        network = export.read("read", self.files["circuit.json"], self.files["weights.safetensors"])
        vectors = json.loads(self.files["golden.json"])["vectors"]
        self.assertEqual([vector["name"].split(",")[0] for vector in vectors], list(payload.GOLDEN_CLASSES))
        for vector in vectors:
            patch = np.array(vector["inputs"], dtype=np.int8).reshape(1, 3, 32, 32)
            self.assertEqual(network.logits(patch)[0].tolist(), vector["outputs"])

    def test_the_contract_keeps_the_rules_of_texts_and_names_every_class(self):
        contract = json.loads(self.files["contract.json"])
        for key in ("title", "intended_use", "not_for", "warning"):
            self.assertTrue(1 <= len(contract[key].encode()) <= 4096 and contract[key].isprintable(), key)
        self.assertEqual([entry["name"] for entry in contract["classes"]], list(collection.CLASSES))
        self.assertEqual(contract["scores"]["temperature"], 1.25)
        self.assertIn("right one of seven for 50 %", contract["warning"])
        self.assertTrue(contract["licence"]["non_commercial"] and contract["licence"]["text"].isprintable())

    def test_the_card_shows_licence_and_figures(self):
        card = self.files["card.md"].decode()
        for words in ("CC BY-NC 4.0: non-commercial", "Not a medical device", "0.500 (0.400 to 0.600)", "| test | 9 | 8 |"):
            self.assertIn(words, card)


class Handover(unittest.TestCase):
    def test_every_node_has_what_it_gives_channels_first(self):
        spec, tensors = payload.load_network(CHECKPOINT)
        network, _ = quantform.network(spec, tensors)
        some = patches()[:2]
        layers = load(handover.layers(network, some))
        names = [node["name"] for node in export.circuit(network)["nodes"] if node["op"] != "output"]
        self.assertEqual(sorted(layers), sorted(names))
        self.assertTrue((layers["patch"] == some).all())
        self.assertEqual(layers["conv1"].shape, (2, 4, 32, 32))
        self.assertEqual(layers["conv1"][1, 3, 4, 5], self.by_hand(network.layers[0], some[1], 3, 4, 5))
        self.assertTrue((layers["head"].reshape(2, -1) == network.logits(some)).all())

    def by_hand(self, conv, patch, channel, y, x):
        window = patch[:, y - 1:y + 2, x - 1:x + 2].astype(int)
        return int((conv.weights[channel] * window).sum() + conv.bias[channel])

    def test_calibration_holds_whole_images_patch_after_patch(self):
        images = synthetic.parts()["calibration"]
        made = load(handover.calibration(images))
        count = len(made["image"]) // collection.PATCHES
        self.assertEqual(count, len(images))
        whole = made["patches"].reshape(count, collection.PATCHES, 3, 32, 32)
        labels = made["labels"].reshape(count, collection.PATCHES)
        self.assertTrue((labels == labels[:, :1]).all() and (made["position"] == np.tile(np.arange(49), count)).all())
        own = {images.patches(number).tobytes(): images.labels[number] for number in range(len(images))}
        self.assertEqual([own[scan.tobytes()] for scan in whole], labels[:, 0].tolist())


class WithoutFramework(unittest.TestCase):
    def test_what_the_gate_uses_imports_no_deep_learning_framework(self):
        program = ("import sys; from derm import __main__, augment, card, data, handover, metrics, payload, pictures, quantform, schedule, "
                   "spec, synthetic; assert not {'torch', 'brevitas'} & set(sys.modules)")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Locks(unittest.TestCase):
    def test_both_environments_have_the_same_versions(self):
        folder = Path(__file__).resolve().parents[1]
        read = lambda name: {line for line in (folder / name).read_text().splitlines() if "==" in line}  # noqa: E731
        self.assertLessEqual(read("requirements.lock"), read("requirements-derm.lock"))


if __name__ == "__main__":
    unittest.main()
