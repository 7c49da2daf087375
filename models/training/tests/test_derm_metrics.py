"""Figures against their definitions, and intervals that draw lesions."""

import unittest

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from derm import metrics


def made_up(seed=1, scans=400):
    random = np.random.default_rng(seed)
    labels = random.choice(7, scans, p=[0.1, 0.1, 0.15, 0.05, 0.2, 0.35, 0.05])
    logits = random.normal(0, 1, (scans, 7)).round(1)
    logits[np.arange(scans), labels] += 1.5
    return labels, logits


class Figures(unittest.TestCase):
    def setUp(self):
        self.labels, self.logits = made_up()
        self.shares = metrics.probabilities(self.logits)

    def test_balanced_accuracy_and_auc_are_those_of_scikit_learn(self):
        guessed = self.shares.argmax(axis=1)
        self.assertAlmostEqual(metrics.balanced_accuracy(self.labels, guessed), balanced_accuracy_score(self.labels, guessed))
        self.assertAlmostEqual(metrics.macro_auc(self.labels, self.shares),
                               roc_auc_score(self.labels, self.shares, multi_class="ovr", average="macro"))
        # With ties.
        rounded = self.shares[:, 4].round(1)
        self.assertAlmostEqual(metrics.auc(self.labels == 4, rounded), roc_auc_score(self.labels == 4, rounded))

    def test_weights_count_as_repetitions(self):
        times = np.random.default_rng(3).integers(0, 3, len(self.labels))
        repeated = np.repeat(np.arange(len(self.labels)), times)
        one = metrics.figures(self.labels, self.shares, times.astype(float))
        two = metrics.figures(self.labels[repeated], self.shares[repeated])
        for name, value in one.items():
            self.assertAlmostEqual(value, two[name], msg=name)

    def test_sensitivity_is_read_where_the_others_stay_below(self):
        positive = np.array([True] * 4 + [False] * 10)
        scores = np.array([0.95, 0.75, 0.65, 0.05, *np.arange(10) / 10])
        # Eight of ten others lie at or below 0.7.
        self.assertEqual(metrics.sensitivity_at(positive, scores), 0.5)
        self.assertTrue(np.isnan(metrics.sensitivity_at(positive & False, scores)))

    def test_calibration_error_of_a_known_case(self):
        shares = np.full((10, 7), 0.4 / 6)
        shares[:, 0] = 0.6
        labels = np.array([0] * 8 + [1] * 2)
        self.assertAlmostEqual(metrics.calibration_error(labels, shares), 0.2)

    def test_specificity_counts_the_others(self):
        found = metrics.specificities(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]))
        self.assertAlmostEqual(found[1], 1 / 3)
        self.assertAlmostEqual(found[0], 1)

    def test_the_temperature_undoes_a_factor(self):
        random = np.random.default_rng(5)
        logits = random.normal(0, 1.5, (20_000, 7))
        labels = (metrics.probabilities(logits).cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
        self.assertAlmostEqual(metrics.temperature(labels, 3 * logits), 3, delta=0.1)

    def test_intervals_hold_the_value_and_widen_when_images_share_lesions(self):
        alone = metrics.with_intervals(self.labels, self.shares[None], np.arange(400).astype(str), draws=300)
        twice = [np.concatenate([part] * 4) for part in (self.labels, self.shares)]
        lesions = np.concatenate([np.arange(400).astype(str)] * 4)
        copied = metrics.with_intervals(twice[0], twice[1][None], lesions, draws=300)
        for name, figure in alone.items():
            self.assertLessEqual(figure["low"], figure["value"], name)
            self.assertLessEqual(figure["value"], figure["high"], name)
        width = {name: figures["balanced_accuracy"]["high"] - figures["balanced_accuracy"]["low"]
                 for name, figures in (("alone", alone), ("copied", copied))}
        # Four copies of an image are no more evidence than one.
        self.assertLess(abs(width["copied"] / width["alone"] - 1), 0.25)


    def test_several_evaluations_give_their_mean(self):
        worse = metrics.probabilities(made_up(9)[1])
        found = metrics.with_intervals(self.labels, np.array([self.shares, worse]), np.arange(400).astype(str), draws=50)
        each = [metrics.figures(self.labels, shares)["macro_auc"] for shares in (self.shares, worse)]
        self.assertAlmostEqual(found["macro_auc"]["value"], np.mean(each), places=4)
        self.assertLess(found["macro_auc"]["low"], min(each) + 0.05)
        self.assertGreater(found["macro_auc"]["high"], max(each) - 0.05)


if __name__ == "__main__":
    unittest.main()
