"""The trained model as one value, and the training run that makes it."""

from dataclasses import dataclass

import numpy as np

from . import calibrate, data, features, fit, metrics, quantise, split, threshold


@dataclass(frozen=True)
class Model:
    """Everything the payload is written from. Bounds are quantised inputs, per input."""

    scales: list
    minimum: np.ndarray
    maximum: np.ndarray
    coefficients: np.ndarray
    intercept: float
    linear: quantise.Linear
    curve: calibrate.BetaCurve
    table: quantise.ProbabilityTable
    score_threshold: int

    def quantise(self, cohort_or_values):
        """Quantised inputs of a cohort or of unscaled input values."""
        values = getattr(cohort_or_values, "inputs", cohort_or_values)
        return quantise.quantise_inputs(values, self.scales)

    def scored(self, cohort):
        """What `metrics` reads: the float model on unrounded inputs beside the integer model."""
        offsets = np.array([scale.offset for scale in self.scales])
        factors = np.array([scale.factor for scale in self.scales])
        units = (cohort.inputs - offsets) * factors / quantise.SCALE
        score = self.linear.score(self.quantise(cohort))
        return {
            "outcome": cohort.outcome,
            "float_score": units @ self.coefficients + self.intercept,
            "score": score,
            "probability": self.table.probability(score) / quantise.SCALE,
            "positive": score >= self.score_threshold,
        }


def input_bounds(scales):
    """Smallest and largest quantised input that the contract's ranges and codes allow, per input."""
    low, high = [], []
    for field in features.FIELDS:
        if field.is_code:
            values = np.array([code.values for code in field.codes], dtype=float)
            low.extend(values.min(axis=0))
            high.extend(values.max(axis=0))
        else:
            low.append(field.minimum)
            high.append(field.maximum)
    bounds = quantise.quantise_inputs(np.array([low, high], dtype=float), scales)
    return bounds[0], bounds[1]


def train(cohort, grid, progress):
    """Chooses, fits, calibrates, quantises, sets the threshold. The test split is not touched.

    Returns the model and a dict of what was measured on the way.
    """
    rows = split.part(cohort, "train")
    scales = quantise.input_scales(features.INPUT_NAMES, rows.inputs)
    progress.stage(f"cross validation over {len(split.CYCLES['train'])} cycles, {len(rows)} people")
    measured = fit.cross_validate(rows, scales, grid, progress)
    best, choice = fit.choose(measured)
    progress.stage(f"chosen: {choice.strategy}, C {choice.strength:g}, L1 share {choice.l1_ratio:g}; final fit")
    coefficients, intercept = fit.fit(rows, scales, choice)
    linear = quantise.Linear.from_float(coefficients, intercept)

    progress.stage("calibration and threshold")
    part = split.part(cohort, "calibration")
    logit = linear.score(quantise.quantise_inputs(part.inputs, scales)) / quantise.SCORE_SCALE
    steps = calibrate.isotonic(logit, part.outcome)
    curve = calibrate.fit_curve(logit, steps)

    minimum, maximum = input_bounds(scales)
    table = quantise.ProbabilityTable.build(*linear.score_range(minimum, maximum), curve.probability)
    part = split.part(cohort, "threshold")
    score = linear.score(quantise.quantise_inputs(part.inputs, scales))
    score_threshold = threshold.choose(score, part.outcome)
    model = Model(scales, minimum, maximum, coefficients, intercept, linear, curve, table, score_threshold)
    return model, {
        "cross_validation": {"all": measured, "best": best, "choice": choice},
        "calibration": _calibration_numbers(split.part(cohort, "calibration"), steps, logit, curve),
        "threshold": _threshold_numbers(part, score, score_threshold),
    }


def _calibration_numbers(part, steps, logit, curve):
    return {
        "people": len(part), "cases": int(part.outcome.sum()),
        "isotonic_levels": len(np.unique(np.round(steps, 9))),
        "error_isotonic": round(metrics.calibration_error(part.outcome, steps), 6),
        "error_curve": round(metrics.calibration_error(part.outcome, curve.probability(logit)), 6),
        "largest_gap_curve_to_isotonic": round(float(np.abs(steps - curve.probability(logit)).max()), 6),
    }


def _threshold_numbers(part, score, score_threshold):
    plain = threshold.choose(score, part.outcome, confidence=None)
    return {
        "people": len(part), "cases": int(part.outcome.sum()),
        "shipped": metrics.points(metrics.at_threshold(part.outcome, score >= score_threshold)),
        "plain_97_rule": {"score_threshold": plain}
        | metrics.points(metrics.at_threshold(part.outcome, score >= plain)),
    }


def read_cohort(table, progress):
    """Applies the inclusion rules and says how many rows are left."""
    cohort, steps = data.cohort(table)
    progress.stage(f"{len(cohort)} of {len(table['seqn'])} rows usable")
    return cohort, steps
