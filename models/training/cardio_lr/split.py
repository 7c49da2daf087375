"""Splits the cohort by survey cycle, so that the four parts share no person and no year.

Later cycles play the part of the future: each part lies after the one before it, as a clinic lies
after the survey. 1999-2000 is in no part, because BMI is missing there and cholesterol covers only
the fasting subsample.
"""

import numpy as np

from .errors import DataProblem

CYCLES = {
    "train": ("2001-2002", "2003-2004", "2005-2006", "2007-2008", "2009-2010"),
    "calibration": ("2011-2012",),
    "threshold": ("2013-2014",),
    "test": ("2015-2016",),
}
MIN_CASES = 20


def part(cohort, name):
    """Returns the rows of one part. Fails when it is too small to say anything."""
    rows = cohort.rows(np.isin(cohort.cycle, CYCLES[name]))
    cases = int(rows.outcome.sum())
    if cases < MIN_CASES or len(rows) - cases < MIN_CASES:
        raise DataProblem(f"split {name} ({', '.join(CYCLES[name])}) has {cases} of {len(rows)} rows with the outcome; "
                          f"at least {MIN_CASES} of each kind are needed")
    return rows


def folds(cohort):
    """Yields (cycle, training mask, validation mask): each cycle is held out once."""
    for cycle in sorted(set(cohort.cycle.tolist())):
        held_out = cohort.cycle == cycle
        yield cycle, ~held_out, held_out
