"""Networks as data: what they cost, and that a checkpoint's copy is the network."""

import json
import unittest

from derm import schedule, spec


class Specs(unittest.TestCase):
    def test_vgg11_costs_what_the_stand_in_costs(self):
        self.assertEqual((spec.VGG11.tables(), spec.VGG11.features(), spec.VGG11.products()), (151_552, 512, 152_768_000))
        self.assertEqual(spec.VGG11.sides(), [32, 16, 8, 8, 4, 4, 2, 2])

    def test_the_first_try_of_a_lean_network_is_on_the_frontier(self):
        first = spec.FRONTIER[0]
        self.assertEqual((first.tables(), first.sides()), (2_816, [8, 4, 2, 1]))
        self.assertEqual([layer.channels for layer in first.layers], [16, 48, 128, 512])

    def test_ten_networks_of_the_frontier_are_lean_and_all_have_their_own_names(self):
        self.assertGreaterEqual(sum(model.tables() <= 2_500 for model in spec.FRONTIER), 10)
        self.assertEqual(len({model.name for model in spec.FRONTIER}), len(spec.FRONTIER))
        for model in spec.FRONTIER:
            self.assertEqual(model.sides()[-1], 1, model.name)
            self.assertEqual(model.features(), model.layers[-1].channels, model.name)

    def test_a_network_that_does_not_end_in_one_position_is_refused(self):
        with self.assertRaisesRegex(ValueError, "ends with 16 positions"):
            spec.lean("wide", [(4, 4, 2, 1)])

    def test_plain_values_give_the_network_back(self):
        for model in (spec.VGG11, spec.SMOKE, *spec.FRONTIER):
            self.assertEqual(spec.Spec.from_json(json.loads(json.dumps(model.to_json()))), model)
        # A key more would make checkpoints of before another network.
        self.assertEqual(set(spec.VGG11.to_json()), {"name", "layers", "outputs", "side"})

    def test_schedules_take_whole_steps_and_end_with_all_patches(self):
        for plan in (schedule.FLOAT, schedule.QUANTISED, schedule.LEAN_FLOAT, schedule.LEAN_QUANTISED, schedule.SMOKE):
            self.assertEqual(plan.phases[-1].patches, 49)
            for phase in plan.phases:
                self.assertEqual(phase.draws % phase.images_per_step, 0, phase)
                self.assertGreater(phase.rate, phase.last_rate)


if __name__ == "__main__":
    unittest.main()
