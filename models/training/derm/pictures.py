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
