"""The decision threshold: a sensitivity of at least 97 %, claimed with confidence, on its own split.

The plain rule (97 % of this split's cases) would miss the target on about every second new survey,
by chance alone. So the threshold is the largest score at which the lower end of a one-sided 90 %
Clopper-Pearson interval reaches 97 %. A missed case costs a screening more than a second look does.
"""

import numpy as np
from scipy.stats import beta

from .errors import DataProblem

TARGET = 0.97
CONFIDENCE = 0.90
# Rounded down to 1/256 logit, so that the number is no single person's score.
GRAIN = 65_536


def choose(score, outcome, confidence=CONFIDENCE):
    """Returns the integer threshold; positive means score >= threshold. `confidence=None`: the plain rule."""
    cases = np.sort(np.asarray(score)[np.asarray(outcome) == 1])[::-1]
    found = np.arange(1, len(cases) + 1)
    if confidence is None:
        reached = found / len(cases) >= TARGET
    else:
        with np.errstate(invalid="ignore"):
            reached = beta.ppf(1 - confidence, found, len(cases) - found + 1) >= TARGET
    if not reached.any():
        if confidence is None:
            raise DataProblem("the threshold split has no case")
        # Too few cases for the claim even when all are found (under 76): find all of them.
        reached[-1] = True
    exact = int(cases[np.argmax(reached)])
    return exact - exact % GRAIN
