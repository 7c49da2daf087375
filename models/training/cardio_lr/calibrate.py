"""From score to probability: isotonic regression, then a smooth curve fitted to it.

Class weights shift the score by design, so its sigmoid is not a probability. Isotonic regression
finds the probabilities without assuming a shape, but as steps; and the encrypted look-up lands a
few entries beside the exact one, so a step in the table would be a jump in the result. The curve of
beta calibration (Kull, Silva Filho and Flach 2017) is smooth, monotone for positive slopes, and has
three parameters: logit(p) = a*ln(s) - b*ln(1-s) + c with s = sigmoid(score).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression

from .errors import DataProblem

MIN_SLOPE = 0.05


@dataclass(frozen=True)
class BetaCurve:
    """Slopes far below (`a`) and far above (`b`) score 0, and shift `c`; four decimals each."""

    a: float
    b: float
    c: float

    def probability(self, logit):
        """Calibrated probability of a score in logits."""
        return _sigmoid(_basis(logit) @ np.array([self.a, self.b, self.c]))


def isotonic(logit, outcome):
    """Isotonic probabilities at the given scores, tied scores together."""
    return IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(logit, outcome)


def fit_curve(logit, target):
    """Fits the curve to isotonic probabilities by cross entropy; one common slope if two are not both positive."""
    basis = _basis(logit)
    a, b, c = _newton(basis, target)
    if min(a, b) < MIN_SLOPE:
        a, c = _newton(np.column_stack([basis[:, 0] + basis[:, 1], basis[:, 2]]), target)
        b = a
    if a < MIN_SLOPE:
        raise DataProblem(f"calibration slope is {a:.3f}: the score does not rank the calibration split")
    return BetaCurve(round(float(a), 4), round(float(b), 4), round(float(c), 4))


def _basis(logit):
    logit = np.asarray(logit, dtype=float)
    return np.column_stack([-np.logaddexp(0.0, -logit), np.logaddexp(0.0, logit), np.ones_like(logit)])


def _newton(basis, target):
    """Minimises a convex cross entropy. The small ridge keeps separable tiny samples finite."""
    parameters = np.zeros(basis.shape[1])
    parameters[-1] = np.log(target.mean() / (1.0 - target.mean()))
    ridge = 1e-6 * np.eye(basis.shape[1])
    for _ in range(100):
        p = _sigmoid(basis @ parameters)
        gradient = basis.T @ (p - target) + ridge @ parameters
        step = np.linalg.solve((basis * (p * (1.0 - p))[:, None]).T @ basis + ridge, gradient)
        parameters = parameters - step * min(1.0, 2.0 / max(1e-12, np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            return parameters
    raise DataProblem("the calibration curve did not converge")


def _sigmoid(logit):
    return np.exp(-np.logaddexp(0.0, -logit))
