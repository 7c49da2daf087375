"""The two pictures of the card. Fixed size, fonts and metadata, so that the same numbers give the same file."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)
import numpy as np  # noqa: E402

from . import metrics  # noqa: E402

INK, BLUE, GREY = "#1b1f24", "#1f5fa8", "#9aa4ae"
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": INK, "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
}


def roc(path, scored, title):
    """ROC curve of the integer score, with the shipped threshold."""
    outcome, score, positive = scored["outcome"], scored["score"], scored["positive"]
    order = np.argsort(-score, kind="stable")
    hits, alarms = np.cumsum(outcome[order]) / outcome.sum(), np.cumsum(1 - outcome[order]) / (1 - outcome).sum()
    point = metrics.at_threshold(outcome, positive)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 5.0), dpi=120)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        axes.plot(np.r_[0, alarms], np.r_[0, hits], color=BLUE, linewidth=1.8)
        x, y = 1 - point["specificity"], point["sensitivity"]
        axes.plot([x], [y], marker="o", color=INK, markersize=6)
        axes.annotate(f"threshold\nsensitivity {y:.3f}\nspecificity {1 - x:.3f}", (x, y), (x + 0.02, y - 0.05),
                      verticalalignment="top",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        axes.text(0.98, 0.04, f"AUC {metrics.auc(outcome, score):.3f}", ha="right")
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        axes.set_title(title, loc="left", fontsize=10)
        _save(figure, path)


def calibration(path, scored, title):
    """Observed frequency against probability, ten groups of equal size, with Wilson 95 % intervals."""
    outcome, probability = scored["outcome"], scored["probability"]
    group = metrics.groups(probability)
    size = np.bincount(group, minlength=metrics.BINS)
    predicted = np.bincount(group, probability) / size
    observed = np.bincount(group, outcome) / size
    low, high = _wilson(observed, size)
    top = 1.1 * max(high.max(), predicted.max())
    with plt.rc_context(STYLE):
        figure, (axes, below) = plt.subplots(
            2, 1, figsize=(5.2, 5.8), dpi=120, height_ratios=(4, 1), sharex=True)
        axes.plot([0, top], [0, top], color=GREY, linewidth=1, linestyle=":")
        axes.errorbar(predicted, observed, yerr=np.clip([observed - low, high - observed], 0, None), fmt="o",
                      color=BLUE, ecolor=BLUE, elinewidth=1.2, markersize=5)
        axes.set(xlim=(0, top), ylim=(0, top), ylabel="observed frequency")
        axes.set_title(title, loc="left", fontsize=10)
        below.hist(probability, bins=np.linspace(0, top, 41), color=GREY)
        below.set(xlabel="probability given by the table", ylabel="people")
        _save(figure, path)


def _wilson(rate, size, z=1.959964):
    centre = (rate + z * z / (2 * size)) / (1 + z * z / size)
    half = z * np.sqrt(rate * (1 - rate) / size + z * z / (4 * size * size)) / (1 + z * z / size)
    return centre - half, centre + half


def _save(figure, path):
    figure.tight_layout()
    figure.savefig(path, format="png", metadata={"Software": None})
    plt.close(figure)
