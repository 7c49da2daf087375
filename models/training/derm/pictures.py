"""The curve of training and validation."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)

from cardio_lr.pictures import BLUE, GREY, INK, STYLE  # noqa: E402


def curve(path, histories):
    """Loss while training and balanced accuracy of the watched validation images, epoch by epoch; `histories` are
    `[(title, rows)]`, one after the other."""
    rows = [row for _, history in histories for row in history]
    epochs = range(1, len(rows) + 1)
    with plt.rc_context(STYLE):
        figure, (loss, score) = plt.subplots(2, 1, figsize=(6.4, 5.2), dpi=120, sharex=True)
        loss.plot(epochs, [row["loss"] for row in rows], color=INK, marker=".")
        loss.set(ylabel="training loss")
        score.plot(epochs, [row["balanced_accuracy"] for row in rows], color=BLUE, marker=".", label="balanced accuracy")
        score.plot(epochs, [row["macro_auc"] for row in rows], color=GREY, marker=".", label="macro AUC")
        score.set(xlabel="epoch", ylabel="validation, watched images")
        score.legend(frameon=False)
        start = 0
        for title, history in histories:
            loss.text(start + 1, loss.get_ylim()[1], title, va="bottom", fontsize=9)
            if start:
                for axes in (loss, score):
                    axes.axvline(start + 0.5, color=GREY, linewidth=1, linestyle=":")
            start += len(history)
        figure.tight_layout()
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)


def frontier(path, rows):
    """Balanced accuracy against tables per image, with intervals."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 4.4), dpi=120)
        for network, colour, label in (("float", GREY, "float"), ("quantised", BLUE, "5 bits")):
            values = [row["figures"][network]["balanced_accuracy"] for row in rows]
            middle = [value["value"] for value in values]
            ends = [[value["value"] - value["low"] for value in values], [value["high"] - value["value"] for value in values]]
            axes.errorbar([row["tables_per_scan"] for row in rows], middle, yerr=ends, fmt="o", color=colour, markersize=4,
                          elinewidth=1, label=label)
        axes.set(xscale="log", xlabel="tables per image", ylabel="balanced accuracy, validation")
        axes.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
