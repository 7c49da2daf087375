"""The quantisation rule, the score range and the table."""

import unittest

import numpy as np

from cardio_lr import quantise
from cardio_lr.calibrate import BetaCurve, fit_curve, isotonic
from cardio_lr.quantise import InputScale, Linear, ProbabilityTable, quantise_inputs


class Inputs(unittest.TestCase):
    def test_rule_is_floor_of_value_plus_half(self):
        scales = [InputScale("a", 50.0, 2.0)]
        values = np.array([[50.0], [50.25], [49.75], [49.74], [50.74]])
        self.assertEqual(quantise_inputs(values, scales).ravel().tolist(), [0, 1, 0, -1, 1])

    def test_scales_are_short_decimals(self):
        random = np.random.default_rng(1)
        for scale in quantise.input_scales(["a"], random.normal(123.456, 17.89, (1000, 1))):
            self.assertEqual(scale.offset, float(f"{scale.offset:.3g}"))
            self.assertEqual(scale.factor, float(f"{scale.factor:.3g}"))

    def test_weights_round_half_up_and_score_is_exact(self):
        linear = Linear.from_float([0.5 / 4096, -0.5 / 4096, 1.0], 1.0)
        self.assertEqual(linear.weights.tolist(), [1, 0, 4096])
        self.assertEqual(linear.bias, 1 << 24)
        self.assertEqual(linear.score(np.array([[3, 5, -7]])).tolist(), [(1 << 24) + 3 - 7 * 4096])

    def test_score_range_covers_every_corner(self):
        linear = Linear(np.array([3, -5]), 7)
        low, high = linear.score_range(np.array([-2, -4]), np.array([6, 1]))
        corners = [3 * a - 5 * b + 7 for a in (-2, 6) for b in (-4, 1)]
        self.assertEqual((low, high), (min(corners), max(corners)))


class Table(unittest.TestCase):
    CURVE = BetaCurve(1.2, 0.8, -2.0)

    def table(self, low=-80_000_001, high=77_777_777):
        return ProbabilityTable.build(low, high, self.CURVE.probability), low, high

    def test_is_monotone_and_within_scale(self):
        table, _, _ = self.table()
        self.assertTrue((np.diff(table.entries) >= 0).all())
        self.assertGreaterEqual(table.entries.min(), 0)
        self.assertLessEqual(table.entries.max(), quantise.SCALE)

    def test_is_smooth(self):
        table, _, _ = self.table()
        self.assertLessEqual(np.abs(np.diff(table.entries, 2)).max(), 4)

    def test_leaves_eight_entries_on_each_side(self):
        for low, high in ((-80_000_001, 77_777_777), (-5, 300), (-1000, 240_000), (1, 10_000_019)):
            table, low, high = self.table(low, high)
            self.assertGreaterEqual(int(table.index(low)), 8)
            self.assertLessEqual(int(table.index(high)), 247)

    def test_entry_is_the_curve_at_the_centre_of_its_interval(self):
        table, _, _ = self.table()
        centre = (table.origin + 100.5 * table.step) / quantise.SCORE_SCALE
        expected = int(np.floor(4096 * self.CURVE.probability(np.array([centre]))[0] + 0.5))
        self.assertEqual(int(table.entries[100]), expected)

    def test_index_floors_and_clamps(self):
        table, _, _ = self.table()
        edges = [table.origin - 10**9, table.origin - 1, table.origin, table.origin + table.step - 1,
                 table.origin + table.step, table.origin + 256 * table.step, 10**12]
        self.assertEqual(table.index(np.array(edges)).tolist(), [0, 0, 0, 0, 1, 255, 255])


class Calibration(unittest.TestCase):
    def test_curve_recovers_known_probabilities_and_rises(self):
        random = np.random.default_rng(3)
        logit = random.normal(0, 2, 20_000)
        truth = BetaCurve(1.2, 0.8, -1.5).probability(logit)
        outcome = (random.random(logit.size) < truth).astype(int)
        curve = fit_curve(logit, isotonic(logit, outcome))
        self.assertLess(np.abs(curve.probability(logit) - truth).max(), 0.05)
        self.assertTrue((np.diff(curve.probability(np.linspace(-12, 12, 500))) > 0).all())


if __name__ == "__main__":
    unittest.main()
