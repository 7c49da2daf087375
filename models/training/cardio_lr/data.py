"""Reads the NHANES file and keeps the rows that can be used, counting what each rule removes.

The file codes 1 = yes and 0 = no; the survey's raw files code 1 = yes and 2 = no. A column that
holds anything else is refused here rather than trained on.
"""

import csv
import hashlib
from pathlib import Path

import numpy as np

from . import features
from .errors import DataProblem

FILE_NAME = "nhanes/nhanes_cvd_adults_1999_2016.csv"
# The shipped payload is defined by exactly this file. Change it together with the payload.
FILE_SHA256 = "8cb49617a1d6bc592cf809251a8407214df6b53bfb4a2c4a54c5379e1060f98d"

OUTCOME = "cvd_ascvd"
# cvd_ascvd is "mi or chd or stroke"; the merge writes 0 when no answer is yes, even if one is missing.
OUTCOME_PARTS = ("cvd_mi", "cvd_chd", "cvd_stroke")
# Not used by the model; `ablate.py` measures what leaving them out costs.
CANDIDATES = ("waist_cm", "sbp_mean", "total_chol_mgdl", "hba1c_pct")
TEXT_COLUMNS = ("cycle", "smoke")
YES_NO_COLUMNS = ("male", "bp_med", "diabetes", OUTCOME, *OUTCOME_PARTS)
MIN_AGE_YEARS = 20


def columns():
    """Returns the columns that are read, without repeats."""
    names = ("seqn", "cycle", "mec_weight", "pregnant", "age_years", OUTCOME, *OUTCOME_PARTS)
    return tuple(dict.fromkeys(names + features.COLUMNS + CANDIDATES))


def load(data_dir):
    """Reads the file below `data_dir` into a dict of arrays; NaN where a number is missing."""
    path = Path(data_dir) / FILE_NAME
    if not path.is_file():
        raise DataProblem(
            f"{path} does not exist. Pass the folder that holds nhanes/ with --data "
            "(models/training/README.md says which file it is), or use --smoke, which needs no data."
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != FILE_SHA256:
        raise DataProblem(
            f"{path} has SHA-256 {found}, expected {FILE_SHA256}. Restore the file; if the change is intended, "
            "set FILE_SHA256 in cardio_lr/data.py and train again."
        )
    return parse(content.decode("utf-8").splitlines(), str(path))


def parse(lines, source):
    """Parses CSV lines; `source` names them in errors."""
    rows = list(csv.DictReader(lines))
    missing = [name for name in columns() if not rows or name not in rows[0]]
    if missing:
        raise DataProblem(f"{source} lacks the columns {', '.join(missing)}")
    table = {}
    for name in columns():
        cells = [row[name] for row in rows]
        if name in TEXT_COLUMNS:
            table[name] = np.array(cells)
            continue
        try:
            table[name] = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError as error:
            raise DataProblem(f"{source}, column {name}: {error}") from error
    for name in YES_NO_COLUMNS:
        odd = set(np.unique(table[name][~np.isnan(table[name])])) - {0.0, 1.0}
        if odd:
            raise DataProblem(f"{source}, column {name}: found {sorted(odd)}, expected only 1 (yes) and 0 (no)")
    return table


def take(table, mask):
    """Returns the rows of `table` where `mask` holds."""
    return {name: column[mask] for name, column in table.items()}


class Cohort:
    """The usable rows: field values, input values, outcome, cycle, survey weight."""

    def __init__(self, table):
        self.table = table
        self.seqn = table["seqn"].astype(int)
        self.cycle = table["cycle"]
        self.outcome = table[OUTCOME].astype(int)
        self.weight = table["mec_weight"]
        self.fields = features.field_values(table)
        self.inputs = features.input_values(self.fields)

    def __len__(self):
        return len(self.seqn)

    def rows(self, mask):
        """Returns the cohort of the rows where `mask` holds."""
        return Cohort(take(self.table, mask))


def cohort(table):
    """Applies the inclusion rules in order. Returns the cohort and `[(rule, rows left)]` per cycle."""
    rules = (
        ("aged 20 or over (the outcome is asked from 20)", lambda t: t["age_years"] >= MIN_AGE_YEARS),
        ("outcome known: a yes, or three answers", _outcome_known),
        ("not pregnant", lambda t: ~(t["pregnant"] == 1)),
        ("complete in all fields", lambda t: ~np.isnan(features.field_values(t)).any(axis=1)),
        ("within the contract's ranges", lambda t: features.within_ranges(features.field_values(t))),
    )
    steps = [("all rows", _counts(table))]
    for name, rule in rules:
        table = take(table, rule(table))
        steps.append((name, _counts(table)))
    if not len(table["seqn"]):
        raise DataProblem("no row of the data is usable: every one misses a field or lies outside the ranges")
    return Cohort(table), steps


def left_out(table, usable_seqn, cycles):
    """Who is refused for a missing value or a range, against who is kept: eligible people of `cycles`."""
    eligible = (table["age_years"] >= MIN_AGE_YEARS) & _outcome_known(table) & ~(table["pregnant"] == 1)
    eligible &= np.isin(table["cycle"], cycles)
    kept = np.isin(table["seqn"], usable_seqn)
    out = {}
    for name, mask in (("kept", eligible & kept), ("left_out", eligible & ~kept)):
        out[name] = {
            "people": int(mask.sum()),
            "prevalence": round(float(table[OUTCOME][mask].mean()), 6) if mask.any() else None,
            "mean_age_years": round(float(table["age_years"][mask].mean()), 3) if mask.any() else None,
        }
    return out


def _outcome_known(table):
    answers = np.stack([table[name] for name in OUTCOME_PARTS])
    return (table[OUTCOME] == 1) | ~np.isnan(answers).any(axis=0)


def _counts(table):
    cycles, counts = np.unique(table["cycle"], return_counts=True)
    return {str(cycle): int(count) for cycle, count in zip(cycles, counts)}
