"""The smoke run: same bytes twice, the shape of the contract, exit codes, and agreement with golden vectors."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from cardio_lr import export, features, fixtures, golden, metrics, threshold
from cardio_lr.__main__ import main


def quietly(*arguments):
    """Runs the command line; returns (exit code, standard error)."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
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
        cls.payload = cls.runs[0] / "payload"

    def json(self, name):
        return json.loads((self.payload / name).read_text(encoding="utf-8"))

    def test_two_runs_write_the_same_bytes(self):
        first, second = ({path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
                         for run in self.runs)
        self.assertEqual(first, second)

    def test_payload_has_exactly_the_named_files(self):
        expected = {"circuit.json", "weights.safetensors", "contract.json", "golden.json", "card.md"}
        if export.PARAMETERS.is_file():
            expected.add("parameters.json")
        self.assertEqual({path.name for path in self.payload.iterdir()}, expected)

    def test_tensors_have_the_shapes_and_types_of_the_format(self):
        tensors = load_file(self.payload / "weights.safetensors")
        inputs = len(features.INPUT_NAMES)
        self.assertEqual({name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()},
                         {"score.weights": ("int32", (1, inputs)), "score.bias": ("int64", (1,)),
                          "probability.table": ("int32", (1, 256))})
        self.assertTrue((np.diff(tensors["probability.table"][0]) >= 0).all())

    def test_contract_names_an_input_for_each_circuit_input(self):
        names = [entry["name"] for field in self.json("contract.json")["fields"] for entry in field["inputs"]]
        self.assertEqual(tuple(names), features.INPUT_NAMES)
        node = self.json("circuit.json")["nodes"][0]
        self.assertEqual([len(names)], node["shape"])
        self.assertEqual(len(node["min"]), len(node["max"]))

    def test_codes_are_words_and_no_comes_before_yes(self):
        for field in self.json("contract.json")["fields"]:
            for code in field.get("codes", []):
                self.assertFalse(code["code"].isdigit())
                self.assertEqual(len(code["values"]), len(field["inputs"]))

    def test_golden_vectors_follow_from_the_files_alone(self):
        read = fixtures.read_payload(self.payload)
        vectors = self.json("golden.json")["vectors"]
        self.assertEqual(len(vectors), 16)
        self.assertEqual([vector["name"] for vector in vectors[:2]], [golden.HEALTHY, golden.ILL])
        self.assertLess(vectors[0]["probability"], vectors[1]["probability"])
        node = self.json("circuit.json")["nodes"][0]
        for vector in vectors:
            again = golden.evaluate(vector["record"], *read)
            self.assertEqual(again, {key: vector[key] for key in again})
            self.assertTrue(all(np.array(node["min"]) <= vector["inputs"]))
            self.assertTrue(all(np.array(node["max"]) >= vector["inputs"]))

    def test_json_ends_with_a_newline_and_card_is_the_same_text(self):
        for path in self.payload.glob("*.json"):
            self.assertTrue(path.read_text(encoding="utf-8").endswith("}\n"), path.name)
        self.assertEqual((self.payload / "card.md").read_bytes(), (self.runs[0] / "card.md").read_bytes())

    def test_smoke_card_says_its_numbers_mean_nothing(self):
        self.assertIn("made-up people", (self.runs[0] / "card.md").read_text(encoding="utf-8"))


class CommandLine(unittest.TestCase):
    def test_missing_data_is_exit_code_3_and_names_the_path(self):
        code, errors = quietly("train", "--quiet", "--data", "/nowhere", "--out", "/nowhere/out")
        self.assertEqual(code, 3)
        self.assertIn("/nowhere/nhanes/", errors)

    def test_neither_data_nor_smoke_is_exit_code_2(self):
        self.assertEqual(quietly("train", "--out", "/nowhere/out")[0], 2)

    def test_unknown_command_is_exit_code_2(self):
        self.assertEqual(quietly("predict")[0], 2)


class Numbers(unittest.TestCase):
    def test_auc_counts_ties_half_with_and_without_weights(self):
        outcome, score = np.array([0, 1, 0, 1]), np.array([1, 1, 0, 2])
        self.assertAlmostEqual(metrics.auc(outcome, score), 3.5 / 4)
        self.assertAlmostEqual(metrics.auc(outcome, score, np.ones(4)), 3.5 / 4)

    def test_threshold_reaches_its_sensitivity_on_its_split(self):
        random = np.random.default_rng(5)
        outcome = (np.arange(5000) % 10 == 0).astype(int)
        score = (random.normal(0, 1, 5000) + outcome).astype(float) * 2**24
        score = score.astype(np.int64)
        strict, plain = threshold.choose(score, outcome), threshold.choose(score, outcome, confidence=None)
        self.assertGreaterEqual((score[outcome == 1] >= plain).mean(), threshold.TARGET)
        self.assertLess(strict, plain)
        self.assertEqual(strict % threshold.GRAIN, 0)


if __name__ == "__main__":
    unittest.main()
