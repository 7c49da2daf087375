"""The model card: every number in it is read from the report."""

import textwrap

from . import contract, features, metrics, split


def render(report, smoke=False):
    """Returns card.md."""
    head = "# cardio-lr\n\n"
    if smoke:
        head += "**Smoke run on made-up people: none of the numbers below means anything.**\n\n"
    sections = (_purpose, _data, _features, _splits, _imbalance, _calibration, _test, _groups, _arithmetic, _limits)
    body = "\n\n".join(section(report) for section in sections)
    return f"{head}{body}\n"


def _purpose(report):
    test = report["test"]["overall"]
    return f"""\
Elastic-net logistic regression on {len(features.FIELDS)} clinical fields, evaluated under encryption in 12-bit fixed
point with one look-up for the calibrated probability. **Not a medical device.**

On {test["people"]} people of the untouched test cycle ({test["cases"]} with the outcome): AUC {_ci(test["auc_quantised"])},
sensitivity {_ci(test["sensitivity"])}, specificity {_ci(test["specificity"])}, PPV {_ci(test["ppv"])}.

## What it is for, and not for

{_wrap(contract.INTENDED_USE)}

{_wrap(contract.NOT_FOR)}"""


def _data(report):
    return f"""\
## Data, licence, outcome

NHANES 1999 to 2016, Centers for Disease Control and Prevention, National Center for Health Statistics; US public
domain. One file, merged by respondent: `{report["data"]["file"]}`, SHA-256 `{report["data"]["sha256"]}`.

Outcome `{report["data"]["outcome"]}`: the person reports that a doctor has ever told them of a heart attack, coronary
heart disease or a stroke. It is **prevalent disease by self-report**, so this is a screening label, not incidence. The
file writes "no" when no answer is yes even if one of the three is missing; such rows are left out.

The file codes yes as 1 and no as 0, the survey's raw files as 1 and 2. The contract uses neither: it has words."""


def _features(report):
    lines = ["| field | unit, range or codes | why |", "|---|---|---|"]
    for field in features.FIELDS:
        if field.is_code:
            accepts = ", ".join(code.code for code in field.codes)
        else:
            accepts = f"{field.minimum} to {field.maximum} {field.unit}"
        lines.append(f"| `{field.name}` | {accepts} | {field.reason} |")
    table = report["features"]
    sets = ["| change | AUC | difference | weight of the addition, logits per deviation |", "|---|---|---|---|"]
    for row in table["sets"]:
        weight = "" if row["weight_per_deviation"] is None else f"{row['weight_per_deviation']:+.3f}"
        sets.append(f"| {row['change']} | {row['auc']:.4f} | {row['difference']:+.4f} | {weight} |")
    return "\n".join(["## Features", "", *lines, "", f"""\
Left out, and why:

- **Statin use**: guidelines give it because the disease was found. It would predict the label by repeating it.
- **Total cholesterol**: its fitted weight is negative, because people with the disease are given statins. A model
  that calls low cholesterol ill would be wrong for everyone not treated.
- **Measured systolic pressure**: negative weight beside blood-pressure medicine, about zero in its place, for the
  same reason.
- **HbA1c**: nothing beyond diabetes, which the file already sets from it at 6.5 %.
- **Race and income**: they stand for causes that are not the person's, and nobody should have to enter them.

Blood-pressure medicine was decided by reasoning and measured: see "Limits" for what speaks against it.
Mean AUC over held-out training cycles, {table["rows"]} people complete in every column compared, {table["cases"]} cases:
""", *sets])


def _splits(report):
    lines = ["| part | cycles | people | with outcome | prevalence |", "|---|---|---|---|---|"]
    for name, row in report["rows"]["splits"].items():
        lines.append(f"| {name} | {', '.join(row['cycles'])} | {row['people']} | {row['cases']} | {row['prevalence']:.3f} |")
    names = list(split.CYCLES)
    steps = ["| rows left after | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in report["rows"]["by_rule"]:
        steps.append(f"| {row['rule']} | " + " | ".join(str(row[name]) for name in names) + " |")
    return "\n".join(["## Splits", "", """\
By survey cycle, each part later than the one before, so that no person and no year is in two parts. The test cycle
entered no choice: it gives the numbers below and nothing else. 1999-2000 is unused: BMI is missing and cholesterol covers a subsample.
""", *lines, "", *steps])


def _imbalance(report):
    lines = ["| strategy | C | L1 share | AUC (lowest to highest cycle) | average precision | specificity at 97 % sensitivity |",
             "|---|---|---|---|---|---|"]
    for row in report["imbalance"]["best_of_each"]:
        lines.append(f"| {row['strategy']} | {row['strength']:g} | {row['l1_ratio']:g} | {row['auc']:.4f} "
                     f"({row['auc_min']:.4f} to {row['auc_max']:.4f}) | {row['average_precision']:.4f} | {row['specificity']:.4f} |")
    chosen = report["imbalance"]["chosen"]
    return "\n".join(["## Class imbalance", "", """\
Cross validation over the training cycles, one held out at a time. SMOTE (its mixed-type form, SMOTENC) adds people
inside the training side of a fold only. Best penalty of each strategy; `report.json` has all of them:
""", *lines, "", f"""\
Chosen: **{chosen["strategy"]}**. The rule, written before the numbers: the larger AUC, and class weights when the two differ by
less than 0.001, because they invent no people. "none" is there for reference: ranking hardly depends on the remedy,
and the calibration below undoes the shift of the score that weights cause."""])


def _calibration(report):
    part, cut = report["calibration"], report["threshold"]
    return f"""\
## Calibration and threshold

Isotonic regression on {part["people"]} people of {split.CYCLES["calibration"][0]} ({part["isotonic_levels"]} levels), then a smooth
monotone curve fitted to it (beta calibration: logit p = a ln s - b ln(1-s) + c; a {part["a"]}, b {part["b"]}, c {part["c"]}),
because an encrypted look-up may land a few entries aside and a step would become a jump. Calibration error on that
split: isotonic {part["error_isotonic"]:.4f}, curve {part["error_curve"]:.4f}.

Threshold from {cut["people"]} people of {split.CYCLES["threshold"][0]} ({cut["cases"]} cases): the largest score whose sensitivity is at least
97 % with 90 % confidence (one-sided Clopper-Pearson). There: sensitivity {cut["shipped"]["sensitivity"]:.3f}, specificity
{cut["shipped"]["specificity"]:.3f}. The plain rule (97 % of that split's cases) would give sensitivity {cut["plain_97_rule"]["sensitivity"]:.3f}, specificity
{cut["plain_97_rule"]["specificity"]:.3f}, and miss the target in about every second new survey. The threshold lies at probability {cut["probability"]:.3f};
the decision is taken on the exact integer score ({cut["score"]}), not on the table."""


def _test(report):
    test, weighted = report["test"]["overall"], report["test"]["survey_weighted"]
    names = {
        "auc_float": "AUC, float model, unrounded inputs", "auc_quantised": "AUC, integer score",
        "auc_difference": "difference of the two", "auc_table": "AUC, probability from the table",
        "sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV",
        "flagged": "share above the threshold", "prevalence": "prevalence",
        "mean_probability": "mean probability", "calibration_error": "calibration error",
    }
    lines = ["| metric | value (95 % interval) | survey-weighted |", "|---|---|---|"]
    for key, name in names.items():
        digits = 6 if key == "auc_difference" else 3
        lines.append(f"| {name} | {_ci(test[key], digits)} | {weighted[key]:.{digits}f} |")
    return "\n".join(["## Test: " + ", ".join(split.CYCLES["test"]), "", *lines, "", f"""\
Calibration error: people in {metrics.BINS} groups of equal size by probability, the mean over people of the absolute gap between
mean probability and observed frequency. Intervals: {report["test"]["bootstrap_draws"]} bootstrap draws of people, percentiles.

Survey weights are used neither in training nor in the main column: the survey oversamples by age, which is an input,
and by ethnicity and income, which are not; and a clinic's patients are not the nation. The last column applies the examination weights, and shows
what the national population would see: lower prevalence, lower PPV.

![ROC curve of the integer score on the test cycle with the shipped threshold marked](roc.png)

![Observed frequency against probability in ten groups on the test cycle, and how many people had each probability](calibration.png)"""])


def _groups(report):
    keys = ("auc_quantised", "sensitivity", "specificity", "ppv", "mean_probability", "prevalence", "calibration_error")
    titles = ("AUC", "sensitivity", "specificity", "PPV", "mean probability", "prevalence", "calibration error")
    lines = ["| group | people (cases) | " + " | ".join(titles) + " |", "|---" * (len(keys) + 2) + "|"]
    for name, row in report["test"]["groups"].items():
        cells = " | ".join(_ci(row[key]) for key in keys)
        lines.append(f"| {name} | {row['people']} ({row['cases']}) | {cells} |")
    return "\n".join(["## By sex and age", "", *lines])


def _arithmetic(report):
    model = report["model"]
    lines = ["| input | offset | factor | weight | logits per unit |", "|---|---|---|---|---|"]
    for row in model["inputs"]:
        lines.append(f"| `{row['input']}` | {row['offset']:g} | {row['factor']:g} | {row['weight']} | {row['logits_per_unit']:+.5f} |")
    return "\n".join(["## Arithmetic", "", """\
`x = floor((value - offset) * factor + 0.5)`, `score = sum(weight * x) + bias` in 64-bit integers (inputs and weights
carry 12 fractional bits, the score 24). The model was trained on the rounded inputs.
""", *lines, "", f"""\
Bias {model["bias"]}. Reachable scores {model["score_minimum"]} to {model["score_maximum"]}. Table: 256 entries of {model["entry_logits"]:.4f} logits, {model["free_entries_below"]} free below
and {model["free_entries_above"]} above the reachable range; neighbours differ by at most {model["largest_table_step"]:.4f}, so a look-up
that lands one entry aside moves the probability by no more than that."""])


def _limits(report):
    groups = report["test"]["groups"]
    young, old = groups["20 to 39 years"], groups["60 to 80 years"]
    women, men = groups["women"]["sensitivity"], groups["men"]["sensitivity"]
    rows = report["rows"]["left_out"]
    return f"""\
## Limits

- **Prevalent, self-reported disease.** The label is what people say a doctor told them. Undiagnosed disease counts
  as absent, and nothing here says who will fall ill.
- **Survivors.** People who died of the disease before the survey are not in it.
- **Blood-pressure medicine follows the disease in part.** It is also given after a heart attack. It is kept because
  the survey asks it about hypertension and because nothing else marks a treated hypertensive; someone treated for
  another reason should answer no. The table under "Features" says what leaving it out costs.
- **Associations, not causes.** Changing an input does not change a person's risk by the amount the score moves.
- **Many false alarms.** At this sensitivity most people above the threshold do not have the disease; see PPV.
- **The decision says little at both ends of age.** One threshold serves all ages. Under 40 it finds a share of
  {_ci(young["sensitivity"])} of {young["cases"]} cases; from 60 on it flags a share of {old["flagged"]["value"]:.3f} of everyone. There the
  probability is what to read.
- **It misses more women than men**: sensitivity {women["value"]:.3f} against {men["value"]:.3f} at the same threshold.
- **Calibration drifts with prevalence.** The probability holds for a population like the survey's. A clinic that sees
  sicker people will see more disease at the same probability.
- **Refused records.** Missing values and values outside the ranges are refused, never filled in. Of {rows["kept"]["people"] + rows["left_out"]["people"]} eligible people
  {rows["left_out"]["people"]} are left out for that; {rows["left_out"]["prevalence"]:.3f} of them have the outcome, {rows["kept"]["prevalence"]:.3f} of those kept (mean
  age {rows["left_out"]["mean_age_years"]:.1f} and {rows["kept"]["mean_age_years"]:.1f} years). The metrics do not speak for them.
- **One country**, 2001 to 2016, non-institutionalised residents; the file's groups by race were not used as input.
- **Intervals** resample people, not the survey's sampling units, and are a little too narrow for that."""


def _wrap(text):
    return textwrap.fill(text, 118)


def _ci(metric, digits=3):
    if metric["value"] is None:
        return "undefined"
    text = f"{metric['value']:.{digits}f}"
    if metric["interval"] is None:
        return text
    low, high = metric["interval"]
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})"
