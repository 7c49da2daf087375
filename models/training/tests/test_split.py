"""The four parts and the folds share no cycle and no person; the rules of the cohort hold."""

import unittest

import numpy as np

from cardio_lr import data, features, split, synthetic
from cardio_lr.errors import DataProblem


class Splits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cohort, cls.steps = data.cohort(data.parse(synthetic.lines(), "made-up people"))

    def test_parts_share_no_cycle_and_no_person(self):
        people = [set(split.part(self.cohort, name).seqn.tolist()) for name in split.CYCLES]
        cycles = [cycle for part in split.CYCLES.values() for cycle in part]
        self.assertEqual(len(cycles), len(set(cycles)))
        self.assertEqual(sum(map(len, people)), len(set().union(*people)))

    def test_each_part_is_later_than_the_one_before(self):
        parts = [split.CYCLES[name] for name in ("train", "calibration", "threshold", "test")]
        for earlier, later in zip(parts, parts[1:]):
            self.assertLess(max(earlier), min(later))

    def test_first_cycle_is_in_no_part(self):
        self.assertNotIn("1999-2000", sum(split.CYCLES.values(), ()))

    def test_folds_hold_out_each_cycle_once(self):
        train = split.part(self.cohort, "train")
        held_out = np.zeros(len(train), dtype=int)
        for cycle, inside, outside in split.folds(train):
            self.assertFalse((inside & outside).any())
            self.assertEqual(set(train.cycle[outside]), {cycle})
            self.assertNotIn(cycle, set(train.cycle[inside]))
            held_out += outside
        self.assertTrue((held_out == 1).all())

    def test_too_small_part_is_refused_by_name(self):
        small = self.cohort.rows(self.cohort.cycle != "2013-2014")
        with self.assertRaisesRegex(DataProblem, "split threshold"):
            split.part(small, "threshold")


class CohortRules(unittest.TestCase):
    def test_cohort_is_complete_and_within_ranges(self):
        cohort, _ = data.cohort(data.parse(synthetic.lines(), "made-up people"))
        self.assertTrue(features.within_ranges(cohort.fields).all())
        self.assertGreaterEqual(cohort.fields[:, 0].min(), data.MIN_AGE_YEARS)

    def test_missing_cells_are_left_out_not_filled(self):
        lines = synthetic.lines()
        missing = sum(1 for line in lines[1:] if ",," in line)
        self.assertGreater(missing, 0)
        _, steps = data.cohort(data.parse(lines, "made-up people"))
        counts = {name: sum(per_cycle.values()) for name, per_cycle in steps}
        self.assertLess(counts["complete in all fields"], counts["not pregnant"])

    def test_unknown_outcome_is_not_a_no(self):
        lines = synthetic.lines(rows_per_cycle=5)
        header = lines[0].split(",")
        table = data.parse(lines, "made-up people")
        table["cvd_ascvd"][:] = 0
        for name in data.OUTCOME_PARTS:
            self.assertIn(name, header)
            table[name][:] = 0
        table["cvd_mi"][0] = np.nan
        self.assertFalse(data._outcome_known(table)[0])
        self.assertTrue(data._outcome_known(table)[1:].all())

    def test_survey_coding_of_no_as_two_is_refused(self):
        lines = synthetic.lines(rows_per_cycle=5)
        column = lines[0].split(",").index("diabetes")
        for number, line in enumerate(lines[1:], start=1):
            cells = line.split(",")
            cells[column] = "2" if cells[column] == "0" else "1"
            lines[number] = ",".join(cells)
        with self.assertRaisesRegex(DataProblem, "diabetes.*2.0"):
            data.parse(lines, "raw survey")

    def test_missing_file_names_the_path_and_what_to_do(self):
        with self.assertRaisesRegex(DataProblem, "/nowhere/nhanes/.*--data.*--smoke"):
            data.load("/nowhere")


if __name__ == "__main__":
    unittest.main()
