"""Rows of the test cycle as test fixtures: real records in contract form, with exact expected integers.

NHANES is in the public domain; at most 1,000 of its rows may be in the repository. These are 400,
and the demonstration records are among them.
"""

import json

import numpy as np
from safetensors.numpy import load_file

from . import contract, export, features, golden, quantise, split
from .errors import DataProblem

SEED = 20262
CASES, OTHERS = 100, 300
# What the demonstration records are: (outcome, sex, diabetes), so that they differ visibly.
DEMO = ((1, "male", "yes"), (1, "female", "no"), (0, "male", "no"), (0, "female", "no"), (0, "female", "yes"))
SOURCE = (
    "NHANES 2015-2016, Centers for Disease Control and Prevention, National Center for Health Statistics; US public "
    "domain. A seeded sample of complete records of the test cycle, enriched to 100 with the outcome "
    "(self-reported coronary heart disease, heart attack or stroke): its prevalence is not the survey's."
)
SHIPPED = export.REPOSITORY / "models/shipped/cardio-lr"
FOLDER = export.REPOSITORY / "tests/fixtures"


def read_payload(directory):
    """Reads scales, linear part and table back from a payload, as the Rust side would."""
    try:
        document = json.loads((directory / "contract.json").read_text())
        lut = json.loads((directory / "circuit.json").read_text())["nodes"][2]
        tensors = load_file(directory / "weights.safetensors")
    except FileNotFoundError as error:
        raise DataProblem(f"{error.filename} does not exist. Train first: python -m cardio_lr train") from error
    linear = quantise.Linear(tensors["score.weights"][0].astype(np.int64), int(tensors["score.bias"][0]))
    entries = tensors["probability.table"][0].astype(np.int64)
    return contract.scales_of(document), linear, quantise.ProbabilityTable(lut["origin"], lut["step"], entries)


def sample(cohort, read):
    """Returns the two fixture documents."""
    test = split.part(cohort, "test")
    random = np.random.default_rng(SEED)
    cases, others = np.flatnonzero(test.outcome == 1), np.flatnonzero(test.outcome == 0)
    if len(cases) < CASES or len(others) < OTHERS:
        raise DataProblem(f"the test cycle has {len(cases)} cases and {len(others)} others; {CASES} and {OTHERS} are needed")
    cases, others = (random.choice(rows, size, replace=False) for rows, size in ((cases, CASES), (others, OTHERS)))
    rows = np.concatenate([cases, others])
    records = []
    for row in np.sort(rows):
        record = features.record_of(test.fields[row])
        records.append({"seqn": int(test.seqn[row]), "outcome": int(test.outcome[row]), "record": record}
                       | golden.evaluate(record, *read))
    return {
        "nhanes-test-records.json": {"source": SOURCE, "records": records},
        "demo-records.json": [
            {"name": f"record {number}", "record": record}
            for number, record in enumerate(_demo(records, random), start=1)
        ],
    }


def _demo(records, random):
    """One record of each kind in `DEMO`, drawn from the sample and shuffled, so that order tells nothing."""
    chosen = []
    for kind in DEMO:
        alike = [entry["record"] for entry in records
                 if (entry["outcome"], entry["record"]["sex"], entry["record"]["diabetes"]) == kind]
        if not alike:
            raise DataProblem(f"the sample of the test cycle has no record with (outcome, sex, diabetes) {kind}")
        chosen.append(alike[random.integers(len(alike))])
    return [chosen[position] for position in random.permutation(len(chosen))]
