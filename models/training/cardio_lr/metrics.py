"""Metrics of a scored split, with bootstrap intervals. Definitions are those printed in the card.

calibration_error: people sorted by probability into ten groups of equal size; the mean over people
of |mean probability - observed frequency| of their group. Groups depend on order only, so the error
of a split is one number, without a choice of bin edges.
"""

import numpy as np
from scipy.stats import rankdata

BINS = 10
SEED = 20261


def auc(outcome, score, weight=None):
    """Area under the ROC curve; ties count half. NaN when one class is absent."""
    outcome = np.asarray(outcome)
    if outcome.min() == outcome.max():
        return np.nan
    if weight is None:
        ranks = rankdata(score)
        cases = outcome.sum()
        return (ranks[outcome == 1].sum() - cases * (cases + 1) / 2) / (cases * (len(outcome) - cases))
    _, group = np.unique(score, return_inverse=True)
    cases = np.bincount(group, weight * outcome)
    others = np.bincount(group, weight * (1 - outcome))
    below = np.cumsum(others) - others
    return float((cases * (below + others / 2)).sum() / (cases.sum() * others.sum()))


def groups(probability, bins=BINS):
    """Group number of each person: `bins` groups of equal size by probability."""
    order = np.argsort(probability, kind="stable")
    group = np.empty(len(probability), dtype=int)
    group[order] = np.arange(len(probability)) * bins // len(probability)
    return group


def calibration_error(outcome, probability, weight=None):
    """See the module's text."""
    weight = np.ones(len(outcome)) if weight is None else weight
    gap = np.bincount(groups(probability), weight * (probability - outcome), minlength=BINS)
    return float(np.abs(gap).sum() / weight.sum())


def at_threshold(outcome, positive, weight=None):
    """Sensitivity, specificity, PPV, NPV, share of positives; NaN where undefined."""
    weight = np.ones(len(outcome)) if weight is None else weight
    tp, fn = (weight * outcome * positive).sum(), (weight * outcome * ~positive).sum()
    fp, tn = (weight * (1 - outcome) * positive).sum(), (weight * (1 - outcome) * ~positive).sum()

    def ratio(part, whole):
        return float(part / whole) if whole else np.nan

    return {"sensitivity": ratio(tp, tp + fn), "specificity": ratio(tn, tn + fp), "ppv": ratio(tp, tp + fp),
            "npv": ratio(tn, tn + fn), "flagged": ratio(tp + fp, weight.sum())}


def summary(scored, weight=None):
    """All metrics of one set of people. `scored`: outcome, float_score, score, probability, positive."""
    outcome, probability = scored["outcome"], scored["probability"]
    mass = np.ones(len(outcome)) if weight is None else weight
    result = {
        "prevalence": float((mass * outcome).sum() / mass.sum()),
        "auc_float": auc(outcome, scored["float_score"], weight),
        "auc_quantised": auc(outcome, scored["score"], weight),
        "auc_table": auc(outcome, probability, weight),
    }
    result["auc_difference"] = result["auc_quantised"] - result["auc_float"]
    result |= at_threshold(outcome, scored["positive"], weight)
    result["mean_probability"] = float((mass * probability).sum() / mass.sum())
    result["calibration_error"] = calibration_error(outcome, probability, weight)
    return result


def with_intervals(scored, draws, progress=None, label=""):
    """`summary` with 95 % percentile intervals: people drawn with replacement, fixed seed."""
    size = len(scored["outcome"])
    random = np.random.default_rng(SEED)
    samples = []
    for draw in range(draws):
        rows = random.integers(0, size, size)
        samples.append(list(summary({name: column[rows] for name, column in scored.items()}).values()))
        if progress:
            progress.step(f"bootstrap{label}", draw + 1, draws)
    samples = np.array(samples)
    result = {"people": size, "cases": int(scored["outcome"].sum())}
    for j, (name, value) in enumerate(summary(scored).items()):
        defined = samples[:, j][~np.isnan(samples[:, j])]
        bounds = [_number(bound) for bound in np.percentile(defined, [2.5, 97.5])] if len(defined) else None
        result[name] = {"value": _number(value), "interval": bounds}
    return result


def points(summary_values):
    """Rounds the plain numbers of a `summary`."""
    return {name: _number(value) for name, value in summary_values.items()}


def _number(value):
    # Six decimals: far below any interval, far above what a change of processor can move.
    return None if np.isnan(value) else round(float(value), 6) + 0.0
