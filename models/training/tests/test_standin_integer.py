"""The fast integer reference against plain loops, and the properties of tables and quantisation."""

import unittest

import numpy as np

from derm_core import integer, quantise


def naive_conv(conv, x):
    """One patch `[channels][height][width]`, plain Python integers."""
    outputs, channels, rows, columns = conv.weights.shape
    height = (x.shape[1] + 2 * conv.padding - rows) // conv.stride + 1
    width = (x.shape[2] + 2 * conv.padding - columns) // conv.stride + 1
    out = np.zeros((outputs, height, width), dtype=object)
    for o, y, column in np.ndindex(outputs, height, width):
        total = int(conv.bias[o])
        for c, ky, kx in np.ndindex(channels, rows, columns):
            at = y * conv.stride + ky - conv.padding, column * conv.stride + kx - conv.padding
            if 0 <= at[0] < x.shape[1] and 0 <= at[1] < x.shape[2]:
                total += int(conv.weights[o, c, ky, kx]) * int(x[c, at[0], at[1]])
        out[o, y, column] = total
    return out


def naive_pool(pool, x):
    k = pool.window
    out = np.zeros((x.shape[0], x.shape[1] // k, x.shape[2] // k), dtype=object)
    for c, y, column in np.ndindex(out.shape):
        out[c, y, column] = sum(int(value) for value in x[c, y * k:y * k + k, column * k:column * k + k].ravel())
    return out


def naive_table(table, x):
    out = np.zeros(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        row = table.entries[place[0] if len(table.entries) > 1 else 0]
        out[place] = int(row[min(max((int(x[place]) - table.origin) // table.step, 0), len(row) - 1)])
    return out


def naive(network, patch):
    x = patch.astype(object)
    for layer in network.layers:
        if isinstance(layer, integer.Conv):
            x = naive_conv(layer, x)
        elif isinstance(layer, integer.SumPool):
            x = naive_pool(layer, x)
        elif isinstance(layer, integer.Table):
            x = naive_table(layer, x)
        else:
            flat = x.ravel()
            x = np.array([[[sum(int(w) * int(v) for w, v in zip(row, flat)) + int(b)]]
                          for row, b in zip(layer.weights, layer.bias)], dtype=object)
    return x.ravel().astype(np.int64)


def made_up(seed=3):
    """A network with every kind of layer, strides, padding, channel and shared tables, odd sizes."""
    random = np.random.default_rng(seed)

    def table(name, channels, step):
        entries = np.sort(random.integers(0, 249, (channels, quantise.ENTRIES)), axis=1)
        return integer.Table(name, entries, -128 * step, step, (-100 * step, 100 * step))

    def weights(*shape):
        return random.integers(-16, 16, shape)

    return integer.Network("made-up", (3, 14, 14), [
        integer.Conv("conv1", weights(5, 3, 4, 4), random.integers(-900, 900, 5), stride=2, padding=1),
        table("relu1", 5, 37), integer.SumPool("pool1", 2),
        integer.Conv("conv2", weights(4, 5, 3, 3), random.integers(-900, 900, 4), padding=1),
        table("relu2", 1, 101),
        integer.Linear("head", weights(7, 36), random.integers(-9000, 9000, 7)),
    ])


class Reference(unittest.TestCase):
    def test_equals_plain_loops(self):
        network = made_up()
        patches = np.random.default_rng(4).integers(-102, 128, (3, 3, 14, 14)).astype(np.int8)
        expected = np.array([naive(network, patch) for patch in patches])
        self.assertTrue((network.logits(patches) == expected).all())

    def test_sums_that_32_bit_floats_would_round_are_exact(self):
        # 2^24 + 1 is the first integer that a 32-bit float cannot hold.
        layer = integer.Linear("head", np.array([[1, 1]]), np.array([0]))
        self.assertEqual(layer(np.array([2**24, 1]).reshape(1, 1, 1, 2)).item(), 2**24 + 1)
        self.assertIs(integer.exact_type(integer.gain(layer.weights), np.array([2**24, 1])), np.float64)
        self.assertIs(integer.exact_type(integer.gain(layer.weights), np.array([2**23 - 1, 1])), np.float32)

    def test_sums_beyond_both_float_types_are_refused(self):
        with self.assertRaises(OverflowError):
            integer.exact_type(4, np.array([2**52]))

    def test_batches_do_not_change_the_logits(self):
        network = made_up()
        patches = np.random.default_rng(5).integers(-102, 128, (integer.BATCH + 3, 3, 14, 14)).astype(np.int8)
        one_by_one = np.concatenate([network.logits(patch[None]) for patch in patches])
        self.assertTrue((network.logits(patches) == one_by_one).all())


class Quantisation(unittest.TestCase):
    def test_weights_are_five_bits_and_near(self):
        weights = np.random.default_rng(1).normal(0, 1, (6, 3, 3, 3)) * np.arange(1, 7).reshape(-1, 1, 1, 1)
        scale = quantise.weight_scales(weights)
        integers = quantise.to_integers(weights, scale)
        self.assertGreaterEqual(integers.min(), -16)
        self.assertLessEqual(integers.max(), 15)
        error = integers * scale.reshape(-1, 1, 1, 1) - weights
        self.assertLess((error**2).mean(axis=(1, 2, 3)).max() / (weights**2).mean(axis=(1, 2, 3)).max(), 0.01)

    def test_an_all_zero_channel_has_a_scale(self):
        scale = quantise.weight_scales(np.zeros((2, 4)))
        self.assertTrue((scale > 0).all())

    def test_equalised_scales_only_grow_and_bound_the_range(self):
        scale, ranges = np.ones(5), np.array([1.0, 2, 3, 4, 50])
        equal = quantise.equalised(scale, ranges, np.ones(5))
        self.assertTrue((equal >= scale).all())
        limit = np.quantile(ranges, quantise.EQUALISE_QUANTILE)
        self.assertLessEqual((ranges / equal).max(), limit + 1e-9)

    def test_clip_point_ignores_a_lone_outlier_and_survives_no_activation(self):
        values = np.append(np.random.default_rng(2).normal(0, 1, 100_000), 1000.0)
        self.assertLess(quantise.clip_point(values), 6)
        self.assertEqual(quantise.clip_point(-np.ones(4)), 1.0)

    def test_calibrated_interval_and_guard_meet_only_flat_entries_in_the_mirror(self):
        for low, high, ramp in ((-9000, 4000, 2500), (-100, 7000, 3000), (-5, 5, 30)):
            calibrated = quantise.widened(low, high)
            step = quantise.table_step(calibrated, ramp)
            row = quantise.ramps(step, [ramp])[0]
            self.assertEqual((row[0], row[-1]), (0, quantise.OUTPUT_MAX))
            for end, clamped in zip(calibrated, (0, quantise.OUTPUT_MAX)):
                guarded = end + np.sign(clamped - 1) * (quantise.GUARD_ENTRIES - 2) * step
                phase = int((guarded + 128 * step) // step) % 512
                value = row[phase] if phase < 256 else quantise.OUTPUT_MAX - row[phase - 256]
                if not -128 * step <= end < 128 * step:
                    self.assertEqual(value, clamped, (low, high, ramp))

    def test_ramps_rise_from_zero_to_the_top_about_the_middle(self):
        rows = quantise.ramps(10, [300, 900, 2000])
        self.assertTrue((np.diff(rows) >= 0).all())
        self.assertTrue((rows[:, 0] == 0).all())
        self.assertTrue((rows[:, -1] == quantise.OUTPUT_MAX).all())
        self.assertLessEqual(np.abs(rows + rows[:, ::-1] - quantise.OUTPUT_MAX).max(), 1)


if __name__ == "__main__":
    unittest.main()
