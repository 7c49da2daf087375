"""The stand-ins' smoke run: same bytes twice, the form of the files, patches, split, exit codes."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load, load_file

from cardio_lr.progress import Progress
from derm_core import export, integer, quantise, synthetic
from derm_standin import fixtures, images, pipeline
from derm_standin.__main__ import main

from test_standin_integer import naive


def quietly(*arguments):
    """Runs the command line; returns (exit code, standard error)."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = stop.code
    return code, errors.getvalue()


class SmokeRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.runs = [Path(cls.folder.name) / name for name in ("first", "second")]
        for run in cls.runs:
            code, errors = quietly("train", "--smoke", "--quiet", "--out", str(run))
            assert code == 0, errors

    def network(self, name):
        return pipeline.read_network(name, self.runs[0])

    def payload(self, name, file):
        return (self.runs[0] / name / pipeline.PAYLOAD / file).read_bytes()

    def json(self, name, file):
        return json.loads(self.payload(name, file))

    def report(self, name):
        return json.loads((self.runs[0] / name / "report.json").read_bytes())

    def test_two_runs_write_the_same_bytes(self):
        first, second = ({path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
                         for run in self.runs)
        self.assertEqual(first, second)
        payload = {"circuit.json", "weights.safetensors", "card.md", "contract.json", "golden.json"}
        self.assertEqual({str(path) for path in first},
                         {f"{name}/payload/{file}" for name in pipeline.NETWORKS for file in payload}
                         | {f"{name}/report.json" for name in pipeline.NETWORKS})

    def test_files_have_the_types_of_the_format(self):
        kinds = {"weights": "int8", "bias": "int64", "table": "int32"}
        for name in pipeline.NETWORKS:
            for tensor, values in load(self.payload(name, "weights.safetensors")).items():
                self.assertEqual(values.dtype.name, kinds[tensor.split(".")[1]], tensor)

    def test_circuits_are_chains_that_end_in_the_logits(self):
        for name in pipeline.NETWORKS:
            nodes = self.json(name, "circuit.json")["nodes"]
            for before, node in zip(nodes, nodes[1:]):
                self.assertEqual(node["input"], before["name"])
            self.assertEqual((nodes[0]["shape"], nodes[-1]["op"]), ([3, 32, 32], "output"))

    def test_files_read_back_give_the_same_files(self):
        for name in pipeline.NETWORKS:
            again = self.network(name)
            self.assertEqual(export.weights(again), self.payload(name, "weights.safetensors"))
            self.assertEqual(export.circuit(again), self.json(name, "circuit.json"))

    def test_body_weights_are_five_bits(self):
        for name in pipeline.NETWORKS:
            for layer in self.network(name).layers[:-1]:
                if isinstance(layer, (integer.Conv, integer.Linear)):
                    self.assertGreaterEqual(layer.weights.min(), quantise.WEIGHT_MIN)
                    self.assertLessEqual(layer.weights.max(), quantise.WEIGHT_MAX)

    def test_small_and_tiny_have_their_look_ups_and_both_kinds_of_table(self):
        for name, look_ups, channels in (("derm-small", 1600, [16, 32, 1]), ("derm-tiny", 80, [4, 1])):
            self.assertEqual(self.report(name)["circuit"]["look_ups_per_patch"], look_ups)
            tables = [layer for layer in self.network(name).layers if isinstance(layer, integer.Table)]
            self.assertEqual([len(table.entries) for table in tables], channels)

    def test_contracts_of_made_up_networks_say_so(self):
        for name in pipeline.NETWORKS:
            self.assertIn("made-up images", self.json(name, "contract.json")["warning"])

    def test_calibrated_ends_saturate_in_every_channel(self):
        for name in pipeline.NETWORKS:
            for table in (layer for layer in self.network(name).layers if isinstance(layer, integer.Table)):
                for end in table.calibrated:
                    phase = (end - table.origin) // table.step
                    inside, clamped = phase % 256, min(max(phase, 0), 255)
                    mirrored = table.entries[:, inside] if 0 <= phase < 256 else quantise.OUTPUT_MAX - table.entries[:, inside]
                    self.assertTrue((mirrored == table.entries[:, clamped]).all(), (name, table.name))

    def test_smoke_card_says_its_numbers_mean_nothing_and_what_it_is(self):
        for name in pipeline.NETWORKS:
            card = self.payload(name, "card.md").decode()
            for part in ("made-up images", "not a diagnostic model", "CC BY-NC 4.0"):
                self.assertIn(part, card)


class Patches(unittest.TestCase):
    def test_patches_are_the_centre_row_by_row(self):
        pixels = np.zeros((288, 288, 3), dtype=np.uint8)
        pixels[32 + 32 + 5, 32 + 64 + 7, 1] = 255
        found = images.patches(pixels)
        table = images.level_table()
        self.assertEqual(found.shape, (49, 3, 32, 32))
        self.assertEqual(np.argwhere(found[:, 1] == table[1, 255]).tolist(), [[1 * 7 + 2, 5, 7]])

    def test_levels_are_normalised_in_8_bits(self):
        table = images.level_table().astype(int)
        self.assertEqual((table.min(), table.max()), images.INPUT_RANGE)
        self.assertEqual(table[0, 255], int(np.floor(48 * (1 - 0.485) / 0.229 + 0.5)))
        self.assertTrue((np.diff(table, axis=1) >= 0).all())

    def test_no_lesion_is_in_two_parts_and_every_image_in_one(self):
        entries = synthetic.Collection().entries
        parts = images.split(entries)
        lesions = [{entry.lesion_id for entry in part} for part in parts.values()]
        self.assertEqual(sum(map(len, lesions)), len(set.union(*lesions)))
        self.assertEqual(sorted(entry.image_id for part in parts.values() for entry in part),
                         sorted(entry.image_id for entry in entries))
        for part in parts.values():
            self.assertEqual({entry.label for entry in part}, set(range(7)))

    def test_fixtures_hold_at_most_twelve_images_of_all_classes(self):
        sample = fixtures.choose(synthetic.Collection(), Progress(quiet=True))
        self.assertEqual((len(sample.entries), len(sample.patches)), (12, 192))
        self.assertEqual({entry.label for entry in sample.entries}, set(range(7)))
        self.assertTrue((sample.position.reshape(12, 16) == sample.position[:16]).all())


class Committed(unittest.TestCase):
    """What is in the repository: the networks still give the golden logits, by the fast way and by plain loops."""

    FOLDER = pipeline.REPOSITORY / "tests/fixtures/patches"

    def setUp(self):
        self.patches = load_file(self.FOLDER / "patches.safetensors")["patches"]
        self.golden = load_file(self.FOLDER / "golden.safetensors")

    def test_networks_give_the_golden_logits(self):
        for name, every in (("derm-tiny", 1), ("derm-small", 8), ("derm-vgg11", 64)):
            network = pipeline.read_network(name, pipeline.SHIPPED)
            logits = network.logits(self.patches[::every])
            self.assertTrue((logits == self.golden[f"{name}.logits"][::every]).all(), name)

    def test_plain_loops_give_a_golden_logit(self):
        network = pipeline.read_network("derm-small", pipeline.SHIPPED)
        self.assertEqual(naive(network, self.patches[100]).tolist(), self.golden["derm-small.logits"][100].tolist())

    def test_payloads_are_complete_and_their_golden_vectors_are_committed_patches(self):
        files = {"card.md", "circuit.json", "contract.json", "golden.json", "parameters.json", "weights.safetensors"}
        flat = self.patches.reshape(len(self.patches), -1)
        for name in pipeline.NETWORKS:
            folder = pipeline.SHIPPED / name / pipeline.PAYLOAD
            self.assertEqual({path.name for path in folder.iterdir()}, files)
            document = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
            self.assertEqual((document["format"], len(document["vectors"])), (2, 3))
            self.assertLess((folder / "golden.json").stat().st_size, 1 << 20)
            for vector in document["vectors"]:
                place = np.flatnonzero((flat == np.array(vector["inputs"])).all(axis=1))
                self.assertEqual(len(place), 1, vector["name"])
                self.assertEqual(vector["outputs"], self.golden[f"{name}.logits"][place[0]].tolist())

    def test_the_committed_image_is_one_of_the_twelve_and_gives_its_patches(self):
        folder = pipeline.REPOSITORY / "tests/fixtures/images"
        document = json.loads((self.FOLDER / "patches.json").read_text(encoding="utf-8"))
        named = [entry["image_id"] for entry in document["images"]]
        images_there = sorted(path.stem for path in folder.glob("*.jpg"))
        self.assertEqual(len(images_there), 1)
        number = named.index(images_there[0])
        with Image.open(folder / f"{images_there[0]}.jpg") as image:
            found = images.patches(np.asarray(image.convert("RGB")))
        tensors = load_file(self.FOLDER / "patches.safetensors")
        own = tensors["image"] == number
        self.assertTrue((found[tensors["position"][own]] == tensors["patches"][own]).all())

    def test_every_image_is_named_with_its_class(self):
        document = json.loads((self.FOLDER / "patches.json").read_text(encoding="utf-8"))
        tensors = load_file(self.FOLDER / "patches.safetensors")
        self.assertEqual(len(document["images"]), fixtures.IMAGES)
        for image, entry in enumerate(document["images"]):
            labels = tensors["labels"][tensors["image"] == image]
            self.assertEqual([document["classes"][label] for label in labels], [entry["class"]] * 16)


class CommandLine(unittest.TestCase):
    def test_missing_data_is_exit_code_3_and_names_the_path(self):
        code, errors = quietly("train", "--quiet", "--data", "/nowhere", "--out", "/nowhere/out")
        self.assertEqual(code, 3)
        self.assertIn("/nowhere/ham10000/", errors)

    def test_wrong_options_are_exit_code_2(self):
        self.assertEqual(quietly("train", "--quiet")[0], 2)
        self.assertEqual(quietly("train", "--quiet", "--smoke")[0], 2)
        self.assertEqual(quietly("patches", "--data", "/nowhere", "--out", "x", "--per-image", "50")[0], 2)


if __name__ == "__main__":
    unittest.main()
