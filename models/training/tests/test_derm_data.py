"""The four parts share no lesion, the test part stays shut, and integers come from the right contract."""

import contextlib
import hashlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

import numpy as np

from cardio_lr.errors import DataProblem, UsageProblem
from derm import augment, data, synthetic
from derm.__main__ import main
from derm_core import collection
from derm_core.collection import Entry

# Folder with the real data, for whoever has them.
REAL = os.environ.get("OBSCURA_DATA")


def made_up(seed=1, lesions=900):
    """Lesions of one to four images, classes as uneven as real ones; some lesions whose images disagree."""
    random = np.random.default_rng(seed)
    entries = []
    for lesion in range(lesions):
        label = int(random.choice(7, p=[0.04, 0.06, 0.12, 0.02, 0.12, 0.62, 0.02]))
        for image in range(random.integers(1, 5)):
            other = int(random.integers(7)) if random.random() < 0.02 else label
            entries.append(Entry(f"IMAGE_{lesion:04}_{image}", f"LESION_{lesion:04}", other))
    return entries


class Split(unittest.TestCase):
    def lists(self):
        yield "made up", made_up()
        yield "few", made_up(2, 40)
        if REAL:
            yield "real", collection.read_list(REAL)

    def test_no_lesion_is_in_two_parts_and_no_image_is_lost(self):
        for name, entries in self.lists():
            parts = data.split(entries)
            lesions = [{entry.lesion_id for entry in part} for part in parts.values()]
            self.assertEqual(sum(map(len, lesions)), len(set().union(*lesions)), name)
            self.assertEqual(sorted(entry.image_id for part in parts.values() for entry in part),
                             sorted(entry.image_id for entry in entries), name)

    def test_every_class_is_shared_out_alike(self):
        for name, entries in self.lists():
            if name == "few":
                continue
            parts = data.split(entries)
            self.assertEqual(list(parts), ["training", "validation", "calibration", "test"])
            for label in range(7):
                counts = [len({entry.lesion_id for entry in part if entry.label == label}) for part in parts.values()]
                for count, share in zip(counts, data.SHARES.values()):
                    self.assertLess(abs(count - share * sum(counts)), 5 + 0.05 * sum(counts), (name, label, counts))

    def test_the_same_list_in_another_order_is_split_alike(self):
        entries = made_up()
        one, two = data.split(entries), data.split(entries[::-1])
        for name in one:
            self.assertEqual({entry.image_id for entry in one[name]}, {entry.image_id for entry in two[name]})

    @unittest.skipUnless(REAL, "OBSCURA_DATA names no folder with the real data")
    def test_the_real_parts_are_those_the_models_were_trained_on(self):
        parts = data.split(collection.read_list(REAL))
        self.assertEqual([len(part) for part in parts.values()], [6016, 1515, 979, 1505])


class TestPart(unittest.TestCase):
    def test_it_opens_for_nobody_who_does_not_say_so(self):
        with self.assertRaisesRegex(UsageProblem, "--open-test"):
            data.open_part("test", "/nowhere", "/nowhere")

    def test_the_command_line_wants_both_words(self):
        for words in (("--part", "test"), ("--open-test",)):
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                code = main(["evaluate", "--work", "/nowhere", *words])
            self.assertEqual(code, 2)
            self.assertIn("--open-test", errors.getvalue())


class Integers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name) / "whole.npy"
        self.entries = [Entry(f"I{number}", f"L{number}", number) for number in range(3)]
        list_folder = Path(self.folder.name) / collection.FOLDER
        list_folder.mkdir()
        rows = [f"{entry.lesion_id},{entry.image_id},{collection.CLASSES[entry.label]}" for entry in self.entries]
        (list_folder / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx\n" + "\n".join(rows), encoding="utf-8")

    def write(self, names=("I2.jpg", "I0.jpg", "I1.png"), shape=(3, 3, 288, 288), dtype=np.int8, **changes):
        squares = (np.arange(np.prod(shape)) % 120).astype(dtype).reshape(shape)
        np.save(self.path, squares)
        document = {"format": 1, "contract_sha256": hashlib.sha256(data.reading_contract_bytes()).hexdigest(),
                    "shape": list(shape), "images": [{"name": name, "width": 1, "height": 1} for name in names]} | changes
        self.path.with_suffix(".json").write_text(json.dumps(document), encoding="utf-8")
        return squares

    def opened(self):
        return data.open_part("training", self.folder.name, self.path)

    def test_every_image_gets_its_own_square(self):
        squares = self.write()
        images = self.opened()
        self.assertTrue(len(images))
        for number, entry in enumerate(images.entries):
            row = ["I2", "I0", "I1"].index(entry.image_id)
            self.assertTrue((images.square(number) == squares[row]).all())

    def test_wrong_files_are_refused_with_what_is_wrong(self):
        for changes, words in (
            ({"contract_sha256": "00"}, "another contract"),
            ({"names": ("I0.jpg", "I1.jpg", "X.jpg")}, "1 images are not among the integers, the first is I2"),
            ({"shape": (3, 49, 3, 32, 32)}, "whole squares"),
            ({"dtype": np.int16}, "int16"),
            ({"format": 2}, "list says"),
            ({"images": [1]}, "not what obscura-patches writes"),
        ):
            self.write(**changes)
            with self.assertRaisesRegex(DataProblem, words):
                self.all_parts()
        self.path.unlink()
        with self.assertRaisesRegex(DataProblem, "whole.npy cannot be read"):
            self.opened()

    def all_parts(self):
        for part in data.SHARES:
            data.open_part(part, self.folder.name, self.path, test_may_be_opened=True)


class Augmentation(unittest.TestCase):
    def test_eight_symmetries_and_no_more(self):
        patch = np.random.default_rng(1).normal(size=(1, 3, 4, 4))
        turned = {augment.symmetry(patch, which).tobytes() for which in range(8)}
        self.assertEqual(len(turned), 8)
        wanted = {np.rot90(side, k, axes=(2, 3)).tobytes() for side in (patch, patch[:, :, ::-1]) for k in range(4)}
        self.assertEqual(turned, wanted)

    def test_patches_are_cut_from_the_turned_square_at_their_places(self):
        # A square that tells its own coordinates.
        y, x = np.mgrid[:288, :288]
        square = np.stack([y % 100, x % 100, y // 100 * 10 + x // 100]).astype(np.int8)
        for seed in range(20):
            patches, places = augment.sample(square, 5, np.random.default_rng(seed), augment.Colour(0, 0, 0))
            rows, columns = (patches[:, axis] + 100 * (patches[:, 2] // 10 if axis == 0 else patches[:, 2] % 10)
                             for axis in (0, 1))
            windows = [(top, left, which) for which in range(8) for top, left in [self.corner(rows, columns, places, which)]]
            self.assertTrue(any(all((self.cut(square, place, *window) == patch).all() for place, patch in zip(places, patches))
                                for window in windows), seed)
            self.assertEqual(len(set(places.tolist())), 5)

    def corner(self, rows, columns, places, which):
        """Corner of the window, were it turned by `which`: the first patch lies at its place."""
        down, across = places[0] // 7 * 32, places[0] % 7 * 32
        undo = np.zeros((2, 224, 224), dtype=int)
        undo[0], undo[1] = np.mgrid[:224, :224]
        turned = augment.symmetry(undo, which)
        return int(rows[0, 0, 0] - turned[0, down, across]), int(columns[0, 0, 0] - turned[1, down, across])

    def cut(self, square, place, top, left, which):
        if not (0 <= top <= 64 and 0 <= left <= 64):
            return np.full((3, 32, 32), np.nan)
        window = augment.symmetry(square[:, top:top + 224, left:left + 224], which)
        down, across = place // 7 * 32, place % 7 * 32
        return window[:, down:down + 32, across:across + 32].astype(np.float32)

    def test_colours_stay_whole_numbers_that_levels_can_give(self):
        square = np.random.default_rng(2).integers(-87, 109, (3, 288, 288)).astype(np.int8)
        low, high = collection.INPUT_RANGE
        for seed in range(20):
            coloured, _ = augment.sample(square, 5, np.random.default_rng(seed))
            self.assertTrue(((coloured >= low) & (coloured <= high) & (coloured == np.rint(coloured))).all())

    def test_a_class_counts_by_draw_and_weight_as_much_as_any_other(self):
        labels = np.repeat(np.arange(7), [400, 100, 50, 25, 200, 900, 10])
        drawn = augment.draw(labels, 200_000, np.random.default_rng(3))
        seen = np.bincount(labels[drawn], minlength=7) * augment.weights(labels)
        self.assertLess(seen.max() / seen.min(), 1.15)
        self.assertAlmostEqual(seen.sum() / len(drawn), 1, delta=0.02)

    def test_an_epoch_repeats_from_its_number(self):
        labels = synthetic.parts()["training"].labels
        one, two = (augment.draw(labels, 50, np.random.default_rng((7, 0, 3))) for _ in range(2))
        self.assertTrue((one == two).all())


class Watched(unittest.TestCase):
    def test_the_same_images_of_every_class_are_watched(self):
        images = synthetic.parts()["training"]
        one, two = data.watched(images, 3), data.watched(images, 3)
        self.assertEqual(one.entries, two.entries)
        self.assertEqual(np.bincount(one.labels).tolist(), [3] * 7)


if __name__ == "__main__":
    unittest.main()
