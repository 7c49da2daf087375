"""Elastic-net logistic regression, and the measured choice between class weights and SMOTE.

Cross validation holds out one survey cycle at a time within the training split. SMOTE sees only the
training side of a fold: synthetic people made before splitting would carry their neighbours' answers
into the validation side. The mixed-type form (SMOTENC) is used, since the average of a woman and a
man is not a person.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTENC
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from . import features, split
from .errors import DataProblem
from .quantise import SCALE, quantise_inputs

SEED = 20260
STRATEGIES = ("none", "class weights", "SMOTE")
# "none" is measured for reference; the issue is which remedy to use.
REMEDIES = ("class weights", "SMOTE")
# Differences below this are noise between cycles; then the simpler or stronger-penalised choice wins.
AUC_TIE = 0.001
TARGET_SENSITIVITY = 0.97


@dataclass(frozen=True)
class Grid:
    """The penalties that are tried: C (inverse strength) and the share of the L1 part."""

    strengths: tuple = (0.001, 0.01, 0.1)
    l1_ratios: tuple = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Measured:
    """Cross validation of one strategy with one penalty, means over held-out cycles."""

    strategy: str
    strength: float
    l1_ratio: float
    auc: float
    auc_min: float
    auc_max: float
    average_precision: float
    specificity: float


def cross_validate(cohort, scales, grid, progress):
    """Measures every strategy and penalty. Returns a list of `Measured`."""
    folds = list(split.folds(cohort))
    penalties = [(c, l1) for c in grid.strengths for l1 in grid.l1_ratios]
    total = len(folds) * len(STRATEGIES) * len(penalties)
    done = 0
    scores = {}
    for strategy in STRATEGIES:
        for cycle, train, held_out in folds:
            fields, outcome = balanced(strategy, cohort.fields[train], cohort.outcome[train])
            inputs = in_units(features.input_values(fields), scales)
            validation = in_units(cohort.inputs[held_out], scales)
            for penalty in penalties:
                model = logistic(strategy, *penalty, tolerance=1e-4).fit(inputs, outcome)
                scores.setdefault((strategy, penalty), []).append(
                    _fold_metrics(cohort.outcome[held_out], model.decision_function(validation))
                )
                done += 1
                progress.step("cross validation, fits", done, total)
    return [_measured(strategy, penalty, np.array(folds)) for (strategy, penalty), folds in scores.items()]


def choose(measured):
    """Returns (best penalty of each strategy, the chosen one).

    Within a strategy: the strongest penalty whose AUC ties with the best. Between the remedies: the
    larger AUC, and class weights on a tie, because they invent no people and need no random draw.
    """
    best = {}
    for strategy in STRATEGIES:
        rows = [row for row in measured if row.strategy == strategy]
        top = max(row.auc for row in rows)
        tied = [row for row in rows if row.auc >= top - AUC_TIE / 4]
        best[strategy] = min(tied, key=lambda row: (row.strength, -row.l1_ratio))
    weights, smote = (best[name] for name in REMEDIES)
    return best, smote if smote.auc > weights.auc + AUC_TIE else weights


def fit(cohort, scales, choice):
    """Fits the chosen model on all of the training split, to a tolerance far below one weight step."""
    fields, outcome = balanced(choice.strategy, cohort.fields, cohort.outcome)
    inputs = in_units(features.input_values(fields), scales)
    model = logistic(choice.strategy, choice.strength, choice.l1_ratio, tolerance=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(inputs, outcome)
        except ConvergenceWarning as warning:
            raise DataProblem(f"the fit did not converge: {warning}") from warning
    return model.coef_[0], float(model.intercept_[0])


def in_units(values, scales):
    """Quantised inputs as floats in units of 1: what the integer model will see."""
    return quantise_inputs(values, scales) / SCALE


def balanced(strategy, fields, outcome):
    """Adds synthetic cases when the strategy is SMOTE; otherwise returns its arguments."""
    if strategy != "SMOTE":
        return fields, outcome
    categorical = [j for j, field in enumerate(features.FIELDS) if field.is_code]
    return SMOTENC(categorical_features=categorical, random_state=SEED).fit_resample(fields, outcome)


def logistic(strategy, strength, l1_ratio, tolerance):
    """The estimator; saga is the one solver of scikit-learn with an elastic net."""
    return LogisticRegression(
        C=strength, l1_ratio=l1_ratio, solver="saga", tol=tolerance, max_iter=20_000, random_state=SEED,
        class_weight="balanced" if strategy == "class weights" else None,
    )


def _fold_metrics(outcome, score):
    cutoff = np.sort(score[outcome == 1])[::-1][int(np.ceil(TARGET_SENSITIVITY * outcome.sum())) - 1]
    specificity = (score[outcome == 0] < cutoff).mean()
    return roc_auc_score(outcome, score), average_precision_score(outcome, score), specificity


def _measured(strategy, penalty, folds):
    auc, precision, specificity = (np.round(column, 6) for column in folds.T)
    return Measured(strategy, *penalty, round(auc.mean(), 6), auc.min(), auc.max(),
                    round(precision.mean(), 6), round(specificity.mean(), 6))
