"""What a model is worth, by scan, with intervals by lesion."""

import numpy as np

from derm_core.collection import CLASSES

MELANOMA = CLASSES.index("mel")
DRAWS = 2000
BINS = 10
SPECIFICITY = 0.8


def probabilities(logits, temperature=1.0):
    """Softmax of logits over the temperature."""
    scaled = np.asarray(logits, dtype=float) / temperature
    shares = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def recalls(labels, guessed, weights=None):
    """Share found of each class, NaN where it is absent."""
    weights = np.ones(len(labels)) if weights is None else weights
    size = len(CLASSES)
    total = np.bincount(labels, weights, size)
    found = np.bincount(labels, weights * (labels == guessed), size)
    with np.errstate(invalid="ignore"):
        return found / total


def balanced_accuracy(labels, guessed, weights=None):
    """Mean over the classes present of the share found."""
    return float(np.nanmean(recalls(labels, guessed, weights)))


def specificities(labels, guessed, weights=None):
    """Of the scans that are not of a class, the share that is not called so, for each class."""
    weights = np.ones(len(labels)) if weights is None else weights
    size = len(CLASSES)
    others = weights.sum() - np.bincount(labels, weights, size)
    called = np.bincount(guessed, weights * (labels != guessed), size)
    with np.errstate(invalid="ignore"):
        return 1 - called / others


def auc(positive, scores, weights=None):
    """Area under the ROC curve, ties count half; NaN when one side is absent."""
    weights = np.ones(len(scores)) if weights is None else weights
    values, place = np.unique(scores, return_inverse=True)
    above = np.bincount(place, weights * positive, len(values))
    below = np.bincount(place, weights * ~positive, len(values))
    if not above.sum() or not below.sum():
        return float("nan")
    lower = np.cumsum(below) - below
    return float((above * (lower + below / 2)).sum() / (above.sum() * below.sum()))


def macro_auc(labels, shares, weights=None):
    """Mean over the classes present of one against all others."""
    return float(np.nanmean([auc(labels == label, shares[:, label], weights) for label in range(len(CLASSES))]))


def sensitivity_at(positive, scores, specificity=SPECIFICITY, weights=None):
    """Share of the positives above the lowest threshold that keeps `specificity` of the others below it."""
    weights = np.ones(len(scores)) if weights is None else weights
    if not weights[positive].sum() or not weights[~positive].sum():
        return float("nan")
    order = np.argsort(scores[~positive], kind="stable")
    below = np.cumsum(weights[~positive][order]) / weights[~positive].sum()
    threshold = scores[~positive][order][min(int(np.searchsorted(below, specificity - 1e-12)), len(order) - 1)]
    return float((weights * positive * (scores > threshold)).sum() / weights[positive].sum())


def calibration_error(labels, shares, weights=None):
    """Expected calibration error of the most probable class over ten bins of equal width."""
    weights = np.ones(len(labels)) if weights is None else weights
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights * (right - confidence), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def figures(labels, shares, weights=None):
    """All figures of probabilities `[scans, classes]`, as a flat dict."""
    guessed = shares.argmax(axis=1)
    found = {
        "balanced_accuracy": balanced_accuracy(labels, guessed, weights),
        "macro_auc": macro_auc(labels, shares, weights),
        "melanoma_sensitivity_at_80_specificity": sensitivity_at(labels == MELANOMA, shares[:, MELANOMA], weights=weights),
        "calibration_error": calibration_error(labels, shares, weights),
    }
    found |= {f"sensitivity_{name}": value for name, value in zip(CLASSES, recalls(labels, guessed, weights))}
    return found | {f"specificity_{name}": value for name, value in zip(CLASSES, specificities(labels, guessed, weights))}


def with_intervals(labels, shares, lesions, draws=DRAWS, seed=1):
    """`{figure: {"value", "low", "high"}}` of probabilities `[evaluations, scans, classes]`: means over the evaluations, 95 %
    intervals of a bootstrap that draws whole lesions and one of the evaluations each time."""
    names, place = np.unique(lesions, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
        one = shares[random.integers(len(shares))]
        drawn.append(list(figures(labels, one, times[place].astype(float)).values()))
    each = [figures(labels, one) for one in shares]
    value = {name: float(np.mean([row[name] for row in each])) for name in each[0]}
    low, high = np.nanquantile(np.array(drawn, dtype=float), (0.025, 0.975), axis=0)
    return {name: {"value": _round(value[name]), "low": _round(low[at]), "high": _round(high[at])}
            for at, name in enumerate(value)}


def temperature(labels, logits):
    """The temperature that makes the labels likeliest: golden section over its logarithm."""
    def loss(exponent):
        shares = probabilities(logits, np.exp(exponent))
        return -np.log(np.maximum(shares[np.arange(len(labels)), labels], 1e-12)).mean()

    low, high, ratio = np.log(0.05), np.log(20.0), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(f"{np.exp((low + high) / 2):.4g}")


def _round(value):
    return None if np.isnan(value) else round(float(value), 4)
