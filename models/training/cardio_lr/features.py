"""The fields of a record: what the clinic enters, its units, ranges and codes, and why it is here.

A field is what a person enters; an input is one integer the circuit receives. A number field makes
one input, a code field one input per indicator. The contract carries its own codes (words), never
the 0 and 1 of this file nor the 1 and 2 of the survey: a system that let the two meet once read
"no" as "yes" for every patient.

A record outside a range is refused on the device, so such rows are left out here as well: the model
is measured on what it will accept.

Which columns are used is decided by two rules, both checked on the training cycles (`ablate.py`):
a feature must not be there because the disease was found, and the sign of its weight must agree
with what is known of its cause. Total cholesterol and measured blood pressure fail the second rule:
treatment that follows the disease lowers both, so a fitted weight calls low cholesterol ill.
"""

from dataclasses import dataclass

import numpy as np

from .errors import DataProblem


@dataclass(frozen=True)
class Code:
    """One answer of a code field: the word in the contract, its label, and the input values."""

    code: str
    label: str
    values: tuple


@dataclass(frozen=True)
class Field:
    """One entry of the record. `minimum` and `maximum` are inclusive, in `unit`."""

    name: str
    label: str
    unit: str
    column: str
    help: str
    reason: str
    inputs: tuple
    minimum: float | None = None
    maximum: float | None = None
    codes: tuple = ()
    survey_values: tuple = ()

    @property
    def is_code(self):
        """True for a field answered with one of a few words."""
        return bool(self.codes)


FIELDS = (
    Field(
        "age_years", "Age", "years", "age_years", minimum=20, maximum=80, inputs=("age",),
        help="Age in completed years. Enter 80 for anyone older: the survey records no higher age.",
        reason="The strongest single predictor. The survey asks the outcome from age 20 and top-codes age at 80.",
    ),
    Field(
        "sex", "Sex", "", "male", inputs=("male",),
        codes=(Code("female", "Female", (0,)), Code("male", "Male", (1,))), survey_values=(0, 1),
        help="Sex as recorded by the survey (female or male); the survey offers no other answer.",
        reason="Disease is more frequent in men at the same age.",
    ),
    Field(
        "smoking", "Smoking", "", "smoke", inputs=("former_smoker", "current_smoker"),
        codes=(
            Code("never", "Never (under 100 cigarettes in life)", (0, 0)),
            Code("former", "Former", (1, 0)),
            Code("current", "Current", (0, 1)),
        ),
        survey_values=("Never", "Former", "Current"),
        help="Never: fewer than 100 cigarettes in life. Former: 100 or more, none now. Current: smokes now.",
        reason="An established cause; two indicators because former smokers lie between the other two.",
    ),
    Field(
        "bmi_kgm2", "Body mass index", "kg/m2", "bmi", minimum=14, maximum=65, inputs=("bmi",),
        help="Weight in kilograms divided by the square of height in metres.",
        reason="A recognised cause and in every clinic's record, though it adds little beyond the other fields. "
        "Waist is hardly better in its place and missing more often.",
    ),
    Field(
        "hdl_mgdl", "HDL cholesterol", "mg/dL", "hdl_mgdl", minimum=15, maximum=130, inputs=("hdl",),
        help="From a blood sample, in mg/dL. From mmol/L: multiply by 38.67.",
        reason="Low values accompany disease; statins change it little, unlike total cholesterol.",
    ),
    Field(
        "egfr_mlmin173", "Estimated GFR", "mL/min/1.73 m2", "egfr", minimum=5, maximum=150, inputs=("egfr",),
        help="CKD-EPI 2021 from serum creatinine, age and sex. Where the laboratory prints only 'above 90', "
        "compute it from creatinine.",
        reason="A recognised cause, and the laboratory value that adds most in cross validation.",
    ),
    Field(
        "diabetes", "Diabetes", "", "diabetes", inputs=("diabetes",),
        codes=(Code("no", "No", (0,)), Code("yes", "Yes", (1,))), survey_values=(0, 1),
        help="Yes when a doctor has said so or HbA1c is 6.5 % or higher.",
        reason="Carries what HbA1c knows: with it in the model HbA1c adds nothing in cross validation.",
    ),
    Field(
        "bp_medicine", "Takes blood-pressure medicine", "", "bp_med", inputs=("bp_medicine",),
        codes=(Code("no", "No", (0,)), Code("yes", "Yes", (1,))), survey_values=(0, 1),
        help="Yes when the person now takes medicine prescribed for high blood pressure.",
        reason="The trace that hypertension, a cause, leaves in a treated person whose measured pressure is "
        "normal. The survey asks it of people told they have hypertension, about that condition.",
    ),
)

INPUT_NAMES = tuple(name for field in FIELDS for name in field.inputs)
COLUMNS = tuple(field.column for field in FIELDS)


def field_values(table):
    """Returns the fields as floats `[n, len(FIELDS)]`; a code field holds the position of its code.

    Missing or unknown answers are NaN; ranges are not applied here.
    """
    out = np.full((len(table["seqn"]), len(FIELDS)), np.nan)
    for j, field in enumerate(FIELDS):
        raw = table[field.column]
        if not field.is_code:
            out[:, j] = raw
            continue
        for position, value in enumerate(field.survey_values):
            out[raw == value, j] = position
    return out


def within_ranges(values):
    """Returns a mask of the rows of `field_values` that the contract would accept."""
    ok = ~np.isnan(values).any(axis=1)
    for j, field in enumerate(FIELDS):
        if not field.is_code:
            with np.errstate(invalid="ignore"):
                ok &= (values[:, j] >= field.minimum) & (values[:, j] <= field.maximum)
    return ok


def input_values(values):
    """Expands `field_values` rows to unscaled input values `[n, len(INPUT_NAMES)]`."""
    columns = []
    for j, field in enumerate(FIELDS):
        if field.is_code:
            indicators = np.array([code.values for code in field.codes], dtype=float)
            columns.append(indicators[values[:, j].astype(int)])
        else:
            columns.append(values[:, j : j + 1])
    return np.hstack(columns)


def record_of(row):
    """Turns one row of `field_values` into a record as the clinic enters it."""
    record = {}
    for field, value in zip(FIELDS, row):
        if field.is_code:
            record[field.name] = field.codes[int(value)].code
        else:
            number = float(value)
            record[field.name] = int(number) if number.is_integer() else number
    return record


def row_of(record):
    """Turns a record into a row of `field_values`; refuses what the contract refuses."""
    row = []
    for field in FIELDS:
        if field.name not in record:
            raise DataProblem(f"record has no field {field.name}")
        value = record[field.name]
        if field.is_code:
            words = [code.code for code in field.codes]
            if value not in words:
                raise DataProblem(f"field {field.name} is {value!r}, must be one of {', '.join(words)}")
            row.append(float(words.index(value)))
        else:
            if not field.minimum <= value <= field.maximum:
                raise DataProblem(f"field {field.name} is {value}, must be {field.minimum} to {field.maximum}")
            row.append(float(value))
    return row
