"""Golden vectors: made-up records whose exact integers every implementation must reproduce.

None is a row of the survey. The first two double as a check of direction: the healthy reference
must score far below the ill one, which a swapped code would turn round.
"""

import numpy as np

from . import features
from .errors import DataProblem
from .quantise import quantise_inputs

HEALTHY, ILL = "healthy-reference", "ill-reference"


def _record(age, sex, smoking, bmi, hdl, egfr, diabetes, medicine):
    return dict(zip((field.name for field in features.FIELDS), (age, sex, smoking, bmi, hdl, egfr, diabetes, medicine)))


RECORDS = (
    (HEALTHY, _record(35, "female", "never", 22.5, 62, 110, "no", "no")),
    (ILL, _record(76, "male", "current", 33, 34, 48, "yes", "yes")),
    ("all-minima", _record(20, "female", "never", 14, 15, 5, "no", "no")),
    ("all-maxima", _record(80, "male", "current", 65, 130, 150, "yes", "yes")),
    ("lowest-risk-corner", _record(20, "female", "never", 14, 130, 150, "no", "no")),
    ("highest-risk-corner", _record(80, "male", "current", 65, 15, 5, "yes", "yes")),
    ("half-steps-in-decimals", _record(49.5, "female", "former", 27.35, 51.5, 94.125, "no", "yes")),
    ("long-decimals", _record(61.25, "male", "never", 31.0625, 43.3, 77.77, "yes", "no")),
    ("young-smoker", _record(28, "male", "current", 26.1, 47, 118, "no", "no")),
    ("middle-aged-typical-woman", _record(48, "female", "never", 28.4, 55, 96, "no", "no")),
    ("middle-aged-typical-man", _record(52, "male", "former", 29, 45, 91, "no", "no")),
    ("treated-pressure", _record(58, "female", "never", 31.2, 50, 84, "no", "yes")),
    ("diabetes-in-middle-age", _record(55, "male", "never", 34.6, 39, 88, "yes", "yes")),
    ("older-well", _record(71, "female", "never", 24.3, 66, 79, "no", "no")),
    ("older-former-smoker", _record(74, "male", "former", 27.8, 46, 62, "no", "yes")),
    ("oldest-poor-kidneys", _record(80, "female", "never", 26.2, 52, 21, "yes", "yes")),
)


def evaluate(record, scales, linear, table):
    """Returns inputs, score, index and probability of one record, as integers."""
    inputs = quantise_inputs(features.input_values(np.array([features.row_of(record)])), scales)
    score = int(linear.score(inputs)[0])
    return {
        "inputs": [int(value) for value in inputs[0]],
        "score": score,
        "index": int(table.index(score)),
        "probability": int(table.probability(score)),
    }


def golden(model):
    """Returns golden.json as a dict. Fails when the references point the wrong way."""
    vectors = [
        {"name": name, "record": record} | evaluate(record, model.scales, model.linear, model.table)
        for name, record in RECORDS
    ]
    if vectors[0]["score"] >= vectors[1]["score"]:
        raise DataProblem(f"{HEALTHY} scores no lower than {ILL}: a code or a sign is swapped")
    return {"format": 1, "vectors": vectors}
