"""The clear head in binary64, as `models/bundle/src/contract/image/head.rs` computes it on a device.

Arrays: outputs of the circuit `[scans, patches, inputs]`, integers; d inputs, k hidden units, C classes.
"""

from dataclasses import dataclass, field

import numpy as np

DIGITS = 9
MAX_NUMBERS = 16_384


def rounded(numbers):
    """The numbers as they stand in the contract, with nine digits: what is evaluated here is what a device reads."""
    array = np.asarray(numbers, dtype=np.float64)
    return np.array([float(f"{number:.{DIGITS}g}") for number in array.ravel()]).reshape(array.shape)


def softmax(logits, axis):
    """Softmax in binary64."""
    shares = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shares / shares.sum(axis=axis, keepdims=True)


@dataclass
class Largest:
    """No head: the circuit gives logits, of each class the largest over the patches counts."""

    logit_per_integer: float
    temperature: float = 1.0

    def __post_init__(self):
        self.logit_per_integer, self.temperature = (float(rounded(x)) for x in (self.logit_per_integer, self.temperature))

    def probabilities(self, outputs):
        """`[scans, C]`."""
        return self._softmax(np.asarray(outputs).max(axis=1))

    def map(self, outputs):
        """Class shares `[scans, patches, C]` and weights `[scans, patches]` of the patches alone."""
        outputs = np.asarray(outputs)
        return self._softmax(outputs), np.full(outputs.shape[:2], 1 / outputs.shape[1])

    def scores(self, output):
        """The part `scores` of the contract; `output` is the circuit's."""
        return {"kind": "max", "output": output, "logit_per_integer": self.logit_per_integer,
                "temperature": self.temperature}

    def _softmax(self, outputs):
        return softmax(outputs * (self.logit_per_integer / self.temperature), -1)


@dataclass
class Head:
    """h = relu(W x + b + position) of each patch, pools of h, logits V pooled + c. Without `hidden_weights`, h = x."""

    value_per_integer: float
    classes_weights: np.ndarray
    classes_bias: np.ndarray
    temperature: float = 1.0
    hidden_weights: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None
    positions: np.ndarray | None = None
    mean: bool = False
    max: bool = False
    attention: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self):
        for name in ("value_per_integer", "temperature"):
            setattr(self, name, float(rounded(getattr(self, name))))
        for name in ("classes_weights", "classes_bias", "hidden_weights", "hidden_bias", "positions", "attention"):
            if getattr(self, name) is not None:
                setattr(self, name, rounded(getattr(self, name)))
        if (self.hidden_weights is None) != (self.hidden_bias is None):
            raise ValueError("hidden_weights and hidden_bias go together")
        if self.positions is not None and self.hidden_weights is None:
            raise ValueError("positions are part of the hidden layer")
        if self.parts == 0 or self.classes_weights.shape[1] % self.parts:
            raise ValueError(f"classes_weights of {self.classes_weights.shape} for {self.parts} pools")
        if self.numbers > MAX_NUMBERS:
            raise ValueError(f"{self.numbers} numbers, a contract takes {MAX_NUMBERS}")

    @property
    def parts(self):
        """Parts of the pooled vector."""
        return int(self.mean) + int(self.max) + len(self.attention)

    @property
    def numbers(self):
        """Numbers of all matrices."""
        arrays = (self.classes_weights, self.classes_bias, self.hidden_weights, self.hidden_bias, self.positions,
                  self.attention)
        return sum(array.size for array in arrays if array is not None)

    @property
    def inputs(self):
        """Integers of a patch it reads."""
        if self.hidden_weights is not None:
            return self.hidden_weights.shape[1]
        return self.classes_weights.shape[1] // self.parts

    def probabilities(self, outputs):
        """`[scans, C]`."""
        hidden = self._hidden(outputs)
        pools = [hidden.mean(axis=1)] if self.mean else []
        pools += [hidden.max(axis=1)] if self.max else []
        pools += [np.einsum("sp,spk->sk", weights, hidden) for weights in self._weights(hidden)]
        return self._shares(np.concatenate(pools, axis=1))

    def map(self, outputs):
        """Class shares `[scans, patches, C]` of each patch, as if all were like it, and what each counts
        `[scans, patches]`."""
        hidden = self._hidden(outputs)
        weights = self._weights(hidden) or [np.full(hidden.shape[:2], 1 / hidden.shape[1])]
        return self._shares(np.concatenate([hidden] * self.parts, axis=2)), np.mean(weights, axis=0)

    def scores(self, output):
        """The part `scores` of the contract; `output` is the circuit's."""
        scores = {"kind": "head", "output": output, "inputs": self.inputs,
                  "value_per_integer": self.value_per_integer, "temperature": self.temperature}
        if self.hidden_weights is not None:
            scores["hidden"] = {"weights": self.hidden_weights.tolist(), "bias": self.hidden_bias.tolist()}
            if self.positions is not None:
                scores["hidden"]["positions"] = self.positions.tolist()
        scores["pool"] = {"mean": self.mean, "max": self.max, "attention": self.attention.tolist()}
        scores["classes"] = {"weights": self.classes_weights.tolist(), "bias": self.classes_bias.tolist()}
        return scores

    def _hidden(self, outputs):
        x = self.value_per_integer * np.asarray(outputs, dtype=np.float64)
        if self.hidden_weights is None:
            return x
        sums = x @ self.hidden_weights.T + self.hidden_bias
        return np.maximum(sums if self.positions is None else sums + self.positions, 0)

    def _weights(self, hidden):
        """Of each attention head, what each patch counts: `[scans, patches]`."""
        return [softmax(hidden @ head, 1) for head in self.attention]

    def _shares(self, pooled):
        return softmax((pooled @ self.classes_weights.T + self.classes_bias) / self.temperature, -1)
