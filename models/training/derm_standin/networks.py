"""The stand-ins: `derm-vgg11` from ImageNet filters, `derm-small` and `derm-tiny` from principal components.

All end in features; `head.py` adds the linear head.
"""

import numpy as np
from sklearn.neural_network import MLPClassifier

from derm_core import integer
from derm_core.calibrate import Builder

VGG11 = (64, 128, 256, 256, 512, 512, 512, 512)
POOL_AFTER = (1, 2, 4, 6, 8)
# Windows for principal components, and patches for the fitted layer of derm-small, are capped at these.
MAX_WINDOWS = 200_000
SMALL_COMPONENTS = (8, 16)
SMALL_HIDDEN = 64
TINY_COMPONENTS = 2
TINY_HIDDEN = 16


def vgg11(filters, calibration, progress):
    """Eight 3x3 convolutions, each with its clipped ReLU, five sum pools: a network that gives 512 features."""
    builder = Builder("derm-vgg11", calibration.patches, progress)
    for number, (weights, bias) in enumerate(filters, 1):
        builder.activation(number, weights, bias, padding=1)
        if number in POOL_AFTER:
            builder.pool(number)
    return builder.network()


def small(calibration, fitting, progress):
    """4x4 filters at stride 4, pool, 3x3 filters, pool, 64 fitted units: 1,600 look-ups per patch.

    The convolutions are principal components of their windows, each with both signs, so that the ReLU loses
    nothing; the 64 units are the hidden layer of a small network fitted on `fitting`'s labels.
    """
    builder = Builder("derm-small", calibration.patches, progress)
    builder.activation(1, *_both_signs(builder, 4, 4, 0, SMALL_COMPONENTS[0]), stride=4)
    builder.pool(1)
    builder.activation(2, *_both_signs(builder, 3, 1, 1, SMALL_COMPONENTS[1]), padding=1)
    builder.pool(2)
    progress.stage("derm-small: fitting the hidden layer")
    features = builder.network().logits(fitting.patches, progress) * builder.unit
    builder.activation(3, *_hidden(features, fitting.labels, SMALL_HIDDEN), per_channel=False)
    return builder.network()


def tiny(calibration, fitting, progress):
    """8x8 filters at stride 8, pool, 16 fitted units: 80 look-ups per patch, in the manner of `small`."""
    builder = Builder("derm-tiny", calibration.patches, progress)
    builder.activation(1, *_both_signs(builder, 8, 8, 0, TINY_COMPONENTS), stride=8)
    builder.pool(1)
    progress.stage("derm-tiny: fitting the hidden layer")
    features = builder.network().logits(fitting.patches, progress) * builder.unit
    builder.activation(2, *_hidden(features, fitting.labels, TINY_HIDDEN), per_channel=False)
    return builder.network()


def _both_signs(builder, kernel, stride, padding, count):
    """Filters along the first components of the windows, scaled to one deviation: `[2 * count]`, and biases."""
    taken = [integer.windows(batch, (kernel, kernel), stride, padding, np.float64)
             for batch in integer.batches(builder.x)]
    taps = taken[0].shape[-1]
    rows = np.concatenate([windows.reshape(-1, taps) for windows in taken]) * builder.unit
    rows = rows[::max(1, len(rows) // MAX_WINDOWS)]
    mean = rows.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(rows.T))
    order = np.argsort(variance)[::-1][:count]
    axes = axes[:, order].T
    # Eigenvectors have no sign of their own: the largest coefficient is made positive.
    axes *= np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])[:, None]
    axes /= np.sqrt(np.maximum(variance[order], 1e-9))[:, None]
    weights = np.concatenate([axes, -axes])
    channels = taps // kernel**2
    return weights.reshape(-1, kernel, kernel, channels).transpose(0, 3, 1, 2), -weights @ mean


def _hidden(features, labels, units):
    """Weights and bias of a hidden ReLU layer of `units`, fitted with every class drawn equally often."""
    random = np.random.default_rng(0)
    most = np.bincount(labels).max()
    rows = np.concatenate([random.choice(np.flatnonzero(labels == label), most) for label in np.unique(labels)])
    mean, deviation = features.mean(axis=0), features.std() or 1.0
    net = MLPClassifier((units,), alpha=10.0, batch_size=256, learning_rate_init=2e-3, max_iter=25, tol=0,
                        n_iter_no_change=25, random_state=0)
    _quietly(net, (features[rows] - mean) / deviation, labels[rows])
    weights = net.coefs_[0].T / deviation
    return weights, net.intercepts_[0] - weights @ mean


def _quietly(net, inputs, labels):
    """Fits; a fixed number of epochs is meant, so the warning about it is not."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(inputs, labels)
