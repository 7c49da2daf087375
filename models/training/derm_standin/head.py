"""The linear head: multinomial logistic regression on the integer features, then 8-bit integers."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from derm_core import integer, quantise

from . import images

STRENGTHS = (0.001, 0.01, 0.1)
# The strongest penalty within this much of the best wins: small weights carry less of the noise that encryption adds.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Fitted:
    """The integer layer, the logit one integer stands for, and what the choice was made on."""

    layer: integer.Linear
    unit: float
    strength: float
    validation: float


def fit(features, labels, validation_features, validation_labels, progress):
    """Fits on patches with balanced class weights; the validation patches choose the penalty."""
    mean, deviation = features.mean(axis=0), float(features.std()) or 1.0
    fitted = []
    for done, strength in enumerate(STRENGTHS):
        progress.step("linear head, penalties", done, len(STRENGTHS))
        model = LogisticRegression(C=strength, class_weight="balanced", tol=1e-5, max_iter=1000)
        model.fit((features - mean) / deviation, labels)
        coefficients = model.coef_ / deviation
        weights, bias, unit = quantise.head_integers(coefficients, model.intercept_ - coefficients @ mean)
        layer = integer.Linear("head", weights, bias)
        guessed = (validation_features @ weights.T + bias).argmax(axis=1)
        score = balanced_accuracy(validation_labels, guessed)
        fitted.append(Fitted(layer, unit, strength, score))
    enough = max(each.validation for each in fitted) - TOLERANCE
    return next(each for each in fitted if each.validation >= enough)


def balanced_accuracy(labels, guessed):
    """Mean over the classes present of the share found."""
    return float(np.mean([(guessed[labels == label] == label).mean() for label in np.unique(labels)]))


def per_image(logits, image):
    """The largest logit of each class over an image's patches: `[images, classes]`, in order of image number."""
    return np.array([logits[image == number].max(axis=0) for number in np.unique(image)])


def scores(logits, sample):
    """Balanced accuracy by patch and by image, beside what guessing gives."""
    scans = per_image(logits, sample.image)
    labels = np.array([sample.labels[sample.image == number][0] for number in np.unique(sample.image)])
    return {
        "images": len(scans),
        "patches": len(logits),
        "balanced_accuracy_patch": round(balanced_accuracy(sample.labels, logits.argmax(axis=1)), 4),
        "balanced_accuracy_image": round(balanced_accuracy(labels, scans.argmax(axis=1)), 4),
        "balanced_accuracy_by_chance": round(1 / len(images.CLASSES), 4),
    }
