"""The contracts of the stand-ins: what a device computes from them is what the networks were made on."""

import json
import math
import unittest

from derm_core import contract as core_contract
from derm_standin import contract, images, pipeline


def level_integer(scale, channel, level):
    """The integer of one level, in Python's own floating point, from the numbers of a contract file."""
    return math.floor(scale * (level / 255 - channel["mean"]) / channel["deviation"] + 0.5)


class Contracts(unittest.TestCase):
    def setUp(self):
        self.contracts = {name: json.loads((pipeline.SHIPPED / name / "payload/contract.json").read_bytes())
                          for name in pipeline.NETWORKS}
        self.reports = {name: json.loads((pipeline.SHIPPED / name / "report.json").read_bytes())
                        for name in pipeline.NETWORKS}

    def test_levels_become_the_integers_of_the_patches(self):
        table = images.level_table().tolist()
        for name, document in self.contracts.items():
            image = document["image"]
            found = [[level_integer(image["scale"], channel, level) for level in range(256)]
                     for channel in image["channels"]]
            self.assertEqual(found, table, name)

    def test_the_crop_is_whole_patches_of_the_circuits_input(self):
        for name, document in self.contracts.items():
            image = document["image"]
            self.assertEqual((image["resize"], image["crop"]), ({"side": 288, "filter": "lanczos3"}, 224))
            self.assertEqual(image["crop"] % image["patch"], 0)
            self.assertEqual((image["crop"] // image["patch"]) ** 2, images.PATCHES)
            shape = json.loads((pipeline.SHIPPED / name / "payload/circuit.json").read_bytes())["nodes"][0]["shape"]
            self.assertEqual(shape, [len(image["channels"]), image["patch"], image["patch"]])

    def test_every_class_is_named_once_in_the_order_of_the_logits(self):
        self.assertEqual(set(core_contract.CLASSES), set(images.CLASSES))
        for document in self.contracts.values():
            self.assertEqual([entry["name"] for entry in document["classes"]], list(images.CLASSES))
            for key in ("label", "text"):
                self.assertEqual(len({entry[key] for entry in document["classes"]}), len(images.CLASSES))

    def test_scores_are_the_circuits_output_in_the_units_of_the_report(self):
        for name, document in self.contracts.items():
            nodes = json.loads((pipeline.SHIPPED / name / "payload/circuit.json").read_bytes())["nodes"]
            self.assertEqual(document["scores"]["output"], nodes[-1]["name"])
            self.assertEqual(document["scores"]["logit_per_integer"], self.reports[name]["head"]["logit_per_integer"])

    def test_committed_contracts_are_what_is_written_and_say_what_a_stand_in_is(self):
        for name, document in self.contracts.items():
            self.assertEqual(document, contract.contract(self.reports[name]))
            self.assertIn("Not a diagnosis", document["warning"])
            self.assertIn("not calibrated", document["warning"])
            self.assertNotIn("made-up", document["warning"])


if __name__ == "__main__":
    unittest.main()
