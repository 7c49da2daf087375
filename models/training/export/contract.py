"""contract.json and golden.json of an image model, format 3."""

import numpy as np

FORMAT = 3
COLOURS = ("red", "green", "blue")
FILTER = "lanczos3"


def contract(texts, licence, image, classes, scores, thresholds=()):
    """Returns contract.json as a dict.

    `texts`: model_id, title, intended_use, not_for, warning. `licence`: name, text, non_commercial. `image`: side,
    crop, patch, scale, mean, deviation. `classes`: name, label and text of each, in the model's order. `scores`: what
    `Head.scores` or `Largest.scores` gives. `thresholds`: class, probability and text of each.
    """
    keys = ("model_id", "title", "intended_use", "not_for", "warning")
    document = {"format": FORMAT} | {key: texts[key] for key in keys}
    document["licence"] = {key: licence[key] for key in ("name", "text", "non_commercial")}
    document["image"] = {
        "resize": {"side": image["side"], "filter": FILTER},
        "crop": image["crop"], "patch": image["patch"], "scale": image["scale"],
        "channels": [{"name": name, "mean": mean, "deviation": deviation}
                     for name, mean, deviation in zip(COLOURS, image["mean"], image["deviation"], strict=True)],
    }
    document["classes"] = [{"name": name, "label": label, "text": text} for name, label, text in classes]
    document["scores"] = scores
    if thresholds:
        document["thresholds"] = [{"class": name, "probability": float(probability), "text": text}
                                  for name, probability, text in thresholds]
    return document


def golden(patches, scans, head):
    """Returns golden.json as a dict.

    `patches`: name, inputs and outputs (integers) of each. `scans`: name and outputs `[patches, inputs of the head]` of
    each whole image; `head` is a `Head` or `Largest`.
    """
    return {
        "format": FORMAT,
        "vectors": [{"name": name, "inputs": _integers(inputs), "outputs": _integers(outputs)}
                    for name, inputs, outputs in patches],
        "scans": [{"name": name, "outputs": [_integers(row) for row in outputs],
                   "probabilities": head.probabilities(np.asarray(outputs)[None])[0].tolist()}
                  for name, outputs in scans],
    }


def _integers(numbers):
    return [int(number) for number in np.asarray(numbers).ravel()]
