"""The clear head and the files around it, as a device and the compile step read them."""

import json
import math
import unittest

import numpy as np
from safetensors.numpy import load

from export import fixtures, head, tensors
from export.contract import contract, golden


def every_pool():
    """A head of two features over four patches, whose result is computed on paper below."""
    return head.Head(0.5, [[1, 0, 0, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0, 0, 1]], [0, 0.5], temperature=2.0,
                     hidden_weights=[[1, 0, 0], [0, 1, -1]], hidden_bias=[0, 1],
                     positions=[[0, 0], [0, 0], [1, 0], [0, 0]], mean=True, max=True, attention=[[1, 0], [0, 0]])


# h of the four patches: (1, 1), (0, 3), (2, 0), (0, 1).
OUTPUTS = np.array([[[2, 2, 2], [-6, 4, 0], [2, 0, 9], [0, 7, 7]]])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


class Heads(unittest.TestCase):
    def test_the_head_is_computed_as_on_paper(self):
        e = math.e
        total = e + 1 + e * e + 1
        attended = ((e + 2 * e * e) / total, (e + 3 + 1) / total)
        difference = (0.5 + 1.25 + 3 + 1.25) - (0.75 + attended[0])
        self.assertAlmostEqual(every_pool().probabilities(OUTPUTS)[0, 1], sigmoid(difference / 2), places=12)

    def test_each_patch_of_the_map_speaks_as_if_all_were_like_it(self):
        shares, weights = every_pool().map(OUTPUTS)
        for patch, (one, two) in enumerate([(1, 1), (0, 3), (2, 0), (0, 1)]):
            self.assertAlmostEqual(shares[0, patch, 1], sigmoid((0.5 + 3 * two - 2 * one) / 2), places=12)
            alike = every_pool()
            alike.positions = None
            same = np.repeat(OUTPUTS[:, patch:patch + 1] + [[[2 * (patch == 2), 0, 0]]], 4, axis=1)
            np.testing.assert_allclose(alike.probabilities(same)[0], shares[0, patch], atol=1e-12)
        self.assertAlmostEqual(weights.sum(), 1)

    def test_a_pool_that_is_not_there_takes_no_room(self):
        plain = head.Head(0.5, [[1, 0], [0, 1]], [0, 0], max=True)
        self.assertEqual((plain.parts, plain.inputs), (1, 2))
        outputs = np.array([[[-4, 2], [0, 4], [2, 0], [-2, 2]]])
        self.assertAlmostEqual(plain.probabilities(outputs)[0, 1], sigmoid(2 - 1))
        self.assertNotIn("hidden", plain.scores("features"))
        with self.assertRaises(ValueError):
            head.Head(0.5, [[1, 0], [0, 1]], [0, 0])
        with self.assertRaises(ValueError):
            head.Head(0.5, np.zeros((7, 4000)), np.zeros(7), mean=True)

    def test_what_is_evaluated_is_what_is_written(self):
        third = head.Head(1 / 3, [[1 / 3], [2 / 3]], [0, 0], mean=True)
        written = json.loads(json.dumps(third.scores("features")))
        self.assertEqual(written["value_per_integer"], 0.333333333)
        self.assertEqual(written["classes"]["weights"], third.classes_weights.tolist())
        self.assertEqual(third.value_per_integer, written["value_per_integer"])

    def test_the_committed_fixture_is_what_is_written(self):
        committed, written = json.loads(fixtures.PATH.read_bytes()), json.loads(fixtures.text())
        self.assertEqual(len(committed["cases"]), len(written["cases"]))
        for old, new in zip(committed["cases"], written["cases"]):
            self.assertEqual(old["contract"], new["contract"])
            for ours, theirs in zip(old["scans"], new["scans"]):
                self.assertEqual(ours["outputs"], theirs["outputs"])
                np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], rtol=0, atol=1e-12)
            np.testing.assert_allclose(old["maps"], new["maps"], rtol=0, atol=1e-12)


class Files(unittest.TestCase):
    def test_a_contract_has_what_format_3_asks_for(self):
        thresholds = [("mel", 0.12, "Melanoma is possible.")]
        document = contract(fixtures.TEXTS, fixtures.LICENCE | {"extra": 1}, fixtures.IMAGE, [("mel", "M", "T")],
                            every_pool().scores("features"), thresholds)
        self.assertEqual((document["format"], document["licence"]), (3, fixtures.LICENCE))
        self.assertEqual(document["thresholds"], [{"class": "mel", "probability": 0.12, "text": thresholds[0][2]}])

    def test_golden_vectors_hold_patches_and_whole_images(self):
        document = golden([("p", np.zeros((3, 2, 2), np.int8), [1, 2])], [("s", OUTPUTS[0])], every_pool())
        self.assertEqual(document["vectors"], [{"name": "p", "inputs": [0] * 12, "outputs": [1, 2]}])
        probabilities = every_pool().probabilities(OUTPUTS)[0].tolist()
        self.assertEqual(document["scans"], [{"name": "s", "outputs": OUTPUTS[0].tolist(), "probabilities": probabilities}])

    def test_tensors_are_as_narrow_as_they_can_be_and_of_one_length(self):
        written = load(tensors.layers({"patch": np.array([[-128, 127]]), "conv1": np.array([[1 << 20]])}))
        self.assertEqual((written["patch"].dtype, written["conv1"].dtype), (np.int8, np.int32))
        with self.assertRaises(ValueError):
            tensors.layers({"patch": np.zeros((2, 1), int), "conv1": np.zeros((1, 1), int)})
        with self.assertRaises(ValueError):
            tensors.layers({"patch": np.zeros((2, 1))})
        written = load(tensors.calibration(np.zeros((2, 3, 2, 2), int), [0, 0], [0, 1], [4, 4]))
        self.assertEqual(written["patches"].shape, (2, 3, 2, 2))
        with self.assertRaises(ValueError):
            tensors.calibration(np.zeros((2, 3, 2, 2), int), [0], [0, 1], [4, 4])


if __name__ == "__main__":
    unittest.main()
