"""A made-up survey with the real file's columns, for the smoke run and the tests. No person is in it."""

import numpy as np

from . import split


def lines(rows_per_cycle=500, seed=7):
    """Returns CSV lines with the columns that `data.parse` reads; a few cells are empty, as in the survey."""
    random = np.random.default_rng(seed)
    out = [
        "seqn,cycle,mec_weight,age_years,male,pregnant,bmi,waist_cm,sbp_mean,bp_med,total_chol_mgdl,hdl_mgdl,"
        "hba1c_pct,diabetes,smoke,egfr,cvd_mi,cvd_chd,cvd_stroke,cvd_ascvd"
    ]
    cycles = sorted(cycle for part in split.CYCLES.values() for cycle in part)
    for seqn in range(rows_per_cycle * len(cycles)):
        out.append(",".join(_row(random, 900_000 + seqn, cycles[seqn // rows_per_cycle])))
    return out


def _row(random, seqn, cycle):
    age = float(random.integers(16, 81))
    male, medicine = random.integers(0, 2), int(random.random() < age / 160)
    diabetes = int(random.random() < age / 400)
    smoke = ("Never", "Former", "Current")[random.integers(0, 3)]
    bmi, hdl = random.normal(29, 5), random.normal(53, 13)
    egfr = random.normal(150 - age, 12)
    logit = -7 + 0.08 * age + 0.4 * male + 0.8 * medicine + 0.6 * diabetes + 0.8 * (smoke == "Current")
    ill = int(random.random() < 1 / (1 + np.exp(-logit)))
    parts = random.permutation([ill, 0, 0])
    numbers = [age, male, 0, bmi, bmi * 3.4, random.normal(124, 18), medicine, random.normal(195, 40), hdl,
               random.normal(5.6, 0.5), diabetes]
    cells = [f"{number:.2f}".rstrip("0").rstrip(".") for number in numbers]
    if random.random() < 0.03:
        cells[8] = ""
    return [str(seqn), cycle, f"{random.uniform(2e3, 9e4):.1f}", *cells, smoke, f"{egfr:.2f}", *map(str, parts), str(ill)]
