"""Figures of a network that decide what encryption costs it: noise gains, saturation, wrap-around.

All of them are measured on patches of held-out images, so that calibrated intervals are put to the test.
"""

import numpy as np

from derm_core import integer, quantise

# Deviation after a table look-up in parts of the torus, two known settings of the rotation's decomposition.
ROTATION_NOISE = {"one level, 2^-14.7": 2**-14.7, "two levels, 2^-22.2": 2**-22.2}
TORUS_ENTRIES = 2 * quantise.ENTRIES


def layers(network, patches, progress):
    """Returns one dict per table, with the dense layer before it, and the shares of patches that wrap."""
    watched = [_Watched(network, place) for place, layer in enumerate(network.layers)
               if isinstance(layer, integer.Table)]
    for batch in integer.batches(patches, progress, f"{network.name}, figures"):
        x = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        for place, layer in enumerate(network.layers):
            for each in watched:
                if each.place == place:
                    each.watch(x)
            x = layer(x)
    plain = np.stack([each.plain_wraps() for each in watched])
    beyond = np.stack([each.beyond_span() for each in watched])
    return {
        "patches": len(patches),
        "look_ups_per_patch": sum(each.per_patch for each in watched),
        "patches_a_plain_ramp_would_wrap": share(plain.any(axis=0)),
        "look_ups_a_plain_ramp_would_wrap": float(f"{plain.sum() / len(patches) / _total(watched):.3g}"),
        "patches_beyond_the_saturating_span": share(beyond.any(axis=0)),
        "layers": [each.figures() for each in watched],
    }


def share(mask):
    """Share of true values, four decimals."""
    return round(float(np.mean(mask)), 4)


def _total(watched):
    return sum(each.per_patch for each in watched)


def pool_factor(network, place):
    """By how much the pool before layer `place` multiplies independent noise: the root of its window's area."""
    before = network.layers[place - 1] if place else None
    return before.window if isinstance(before, integer.SumPool) else 1


class _Watched:
    """One table and the dense layer before it; collects what reaches the table."""

    def __init__(self, network, place):
        self.network, self.place = network, place
        self.table, self.dense = network.layers[place], network.layers[place - 1]
        self.per_patch = 0
        self.counts = {"low": 0, "high": 0, "outside_table": 0, "outside_calibrated": 0}
        self.seen, self.wraps, self.beyond = [], [], []
        entries = self.table.entries
        # Entries strictly between the two flat ends, per channel: the ramp.
        self.ramp = ((entries > 0) & (entries < quantise.OUTPUT_MAX)).sum(axis=1)

    def watch(self, x):
        middle = self.table.origin + quantise.ENTRIES // 2 * self.table.step
        distance = np.abs(x - middle) / self.table.step
        out = self.table(x)
        low, high = self.table.calibrated
        outside = distance > quantise.ENTRIES // 2
        self.per_patch = int(np.prod(x.shape[1:]))
        self.counts["low"] += int((out == 0).sum())
        self.counts["high"] += int((out == quantise.OUTPUT_MAX).sum())
        self.counts["outside_table"] += int(outside.sum())
        self.counts["outside_calibrated"] += int(((x < low) | (x > high)).sum())
        self.seen.append((int(x.min()), int(x.max())))
        self.wraps.append(outside.sum(axis=(1, 2, 3)))
        self.beyond.append((distance > quantise.ENTRIES - self.ramp / 2).sum(axis=(1, 2, 3)))

    def plain_wraps(self):
        """Look-ups per patch outside the half of the torus that the table covers."""
        return np.concatenate(self.wraps)

    def beyond_span(self):
        """Look-ups per patch that the mirrored table gets wrong."""
        return np.concatenate(self.beyond)

    def figures(self):
        look_ups = self.per_patch * len(self.plain_wraps())
        rows = self.dense.weights.reshape(len(self.dense.weights), -1).astype(float)
        norms = np.sqrt((rows**2).sum(axis=1)) * pool_factor(self.network, self.place - 1)
        step_torus = self.ramp / quantise.STEPS / TORUS_ENTRIES
        rms = lambda values: float(np.sqrt((values**2).mean()))  # noqa: E731
        figures = {
            "dense": self.dense.name, "table": self.table.name, "tables": len(self.table.entries),
            "look_ups": self.per_patch, "taps": rows.shape[1], "step": self.table.step,
            "calibrated": list(self.table.calibrated),
            "seen": [min(low for low, _ in self.seen), max(high for _, high in self.seen)],
            "ramp_entries": _spread(self.ramp),
            "steps_per_half_table": round(quantise.STEPS * quantise.ENTRIES / 2 / float(np.median(self.ramp)), 2),
            "norm2_with_pool": {"rms": round(rms(norms), 1), "max": round(float(norms.max()), 1)},
            "steps_of_noise_per_torus_unit": {"rms": round(rms(norms / step_torus)),
                                              "max": round(float((norms / step_torus).max()))},
            "share_of_look_ups": {name: float(f"{count / look_ups:.3g}") for name, count in self.counts.items()},
            "patches_a_plain_ramp_would_wrap": share(self.plain_wraps() > 0),
        }
        # The first layer reads fresh ciphertexts, not look-ups.
        if self.place > 1:
            figures["noise_steps_from_rotations"] = {
                name: float(f"{rms(norms / step_torus) * sigma:.3g}") for name, sigma in ROTATION_NOISE.items()}
        return figures


def _spread(values):
    return {"min": int(values.min()), "median": float(np.median(values)), "max": int(values.max())}


def head(network, logits, unit):
    """Figures of the linear head: norm, range of the logits, margins in logits."""
    layer = network.layers[-1]
    norms = np.sqrt((layer.weights.astype(float) ** 2).sum(axis=1)) * pool_factor(network, len(network.layers) - 1)
    top = np.sort(logits, axis=1)[:, -2:]
    margin = top[:, 1] - top[:, 0]
    return {
        "logit_per_integer": float(f"{unit:.6g}"),
        "norm2_with_pool": {"rms": round(float(np.sqrt((norms**2).mean())), 1), "max": round(float(norms.max()), 1)},
        "seen": [int(logits.min()), int(logits.max())],
        "margin_of_the_top_two": {f"quantile {q}": int(np.quantile(margin, q)) for q in (0.05, 0.25, 0.5, 0.75)},
    }
