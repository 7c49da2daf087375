"""Weights to 5-bit integers, and the saturating tables between the layers.

A table has 256 entries and covers half of the torus; the other half returns the mirrored entry
(`f(p + 256) = lowest + highest - f(p)`). With the ramp in the middle, the mirror is the saturation: from the
ramp's middle, `256 - ramp/2` entries on either side return what a clipped ReLU would. The step is chosen so
that the calibrated interval and a guard for noise stay inside that span, and no wider.
"""

import numpy as np

WEIGHT_MIN, WEIGHT_MAX = -16, 15
HEAD_MAX = 127
ENTRIES = 256
# What an activation means: 31 steps from 0 to the clip point. Tables answer in eighths of a step, because
# finer outputs cost nothing.
STEPS = 31
OUTPUT_MAX = 8 * STEPS
# Entries kept free between the calibrated interval and the end of the saturating span, for noise: about ten
# deviations of a look-up at polynomial size 1024.
GUARD_ENTRIES = 16
# The calibrated interval reaches this far beyond what calibration patches showed.
RANGE_MARGIN = 0.1
# Channels above this quantile of accumulator range are coarsened to it, so that a few channels do not take
# the resolution of the table from all the others.
EQUALISE_QUANTILE = 0.4


def round_half_up(number):
    """floor(number + 0.5) as int64."""
    return np.floor(np.asarray(number, dtype=float) + 0.5).astype(np.int64)


def to_integers(weights, scale):
    """5-bit integers of `weights [outputs, ...]` for one scale per output."""
    scale = np.asarray(scale).reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(round_half_up(weights / scale), WEIGHT_MIN, WEIGHT_MAX)


def weight_scales(weights, per_channel=True):
    """The scale of each output that loses least in the 2-norm; without `per_channel`, one for all."""
    rows = weights.reshape(len(weights), -1) if per_channel else weights.reshape(1, -1)
    largest = np.abs(rows).max(axis=1)
    largest[largest == 0] = 1.0
    best, best_error = largest / WEIGHT_MAX, np.full(len(rows), np.inf)
    for share in np.linspace(1.0, 0.4, 31):
        scale = largest * share / WEIGHT_MAX
        error = ((to_integers(rows, scale) * scale[:, None] - rows) ** 2).sum(axis=1)
        better = error < best_error * (1 - 1e-9)
        best[better], best_error[better] = scale[better], error[better]
    return np.broadcast_to(best, len(weights)).copy()


def clip_point(values):
    """The clip of a ReLU that loses least when 0..clip is rounded to `STEPS` steps, over sampled values.

    Never above the last thousandth: a square error would follow a single hair or ruler mark.
    """
    positive = np.sort(values[values > 0])
    if not len(positive):
        return 1.0
    candidates = np.quantile(positive, np.linspace(0.9, 0.999, 34))
    errors = []
    for clip in candidates:
        step = clip / STEPS
        errors.append(((np.minimum(np.round(positive / step), STEPS) * step - positive) ** 2).mean())
    return float(candidates[int(np.argmin(errors))])


def equalised(scale, range_per_scale, clip_per_scale):
    """Coarsens scales: no channel's accumulator range, nor its ramp, exceeds the quantile of the layer."""
    for numbers in (range_per_scale, clip_per_scale):
        limit = np.quantile(numbers / scale, EQUALISE_QUANTILE)
        scale = np.maximum(scale, numbers / limit)
    return scale


def widened(low, high):
    """The calibrated interval for accumulators seen between `low` and `high`."""
    margin = RANGE_MARGIN * (high - low) / 2
    return int(np.floor(low - margin)), int(np.ceil(high + margin))


def table_step(calibrated, ramp):
    """Accumulator integers per entry; `ramp` is the widest ramp in accumulator integers."""
    reach = max(abs(calibrated[0]), abs(calibrated[1]))
    return int(np.ceil((reach + ramp / 2) / (ENTRIES - GUARD_ENTRIES)))


def ramps(step, widths, highest=OUTPUT_MAX):
    """Entries `[channels, 256]`: 0 to `highest` over `widths` accumulator integers about accumulator 0."""
    centres = (np.arange(ENTRIES) - (ENTRIES - 1) / 2) * step
    heights = highest * (centres / np.asarray(widths, dtype=float)[:, None] + 0.5)
    return np.clip(round_half_up(heights), 0, highest)


def head_integers(coefficients, intercept):
    """8-bit weights, bias, and the logit that one integer stands for."""
    unit = float(np.abs(coefficients).max()) / HEAD_MAX
    return round_half_up(coefficients / unit), round_half_up(intercept / unit), unit
