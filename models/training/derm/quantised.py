"""The network with 5-bit weights and activations, as it is trained: forward in integers, backward straight through.

In evaluation the numbers are exactly those of `quantform`: integer weights and biases, the tables themselves. In training
the same with real clip points and biases, and with the noise that an encrypted look-up adds to its input.
"""

import numpy as np
import torch
from brevitas.core.function_wrapper import RoundSte, TensorClampSte
from brevitas.core.quant import IntQuant
from torch import nn
from torch.nn import functional

from derm_core import collection, integer, quantise

from . import quantform
from .clearhead import ClearHead

WEIGHT_BITS = 5


class Activation(torch.autograd.Function):
    """A saturating table: accumulators to 0..31 over a ramp of `width` per channel about 0, entries of `step`.

    Backward as if the ramp were straight, nothing beyond its ends.
    """

    @staticmethod
    def forward(context, sums, width, step, sigma):
        """`sigma` is the deviation of the noise, in accumulator integers."""
        noisy = sums if sigma == 0 else sums + sigma * torch.randn_like(sums)
        half = quantise.ENTRIES // 2
        entry = torch.floor(noisy / step).clamp_(-half, half - 1)
        slope = (quantform.STEPS / width)[:, None, None]
        heights = entry.add_(0.5).mul_(step).mul_(slope).add_(quantform.STEPS / 2)
        inside = (heights > -0.5) & (heights < quantform.STEPS + 0.5)
        context.save_for_backward(sums, width, inside)
        return heights.add_(0.5).floor_().clamp_(0, quantform.STEPS)

    @staticmethod
    def backward(context, gradient):
        """Gradients of sums and width."""
        sums, width, inside = context.saved_tensors
        passed = gradient * inside * (quantform.STEPS / width)[:, None, None]
        return passed, -(passed * sums).sum(dim=(0, 2, 3)) / width, None, None


def _rounding():
    """Real weights to signed integers, gradients straight through."""
    return IntQuant(narrow_range=False, signed=True, input_view_impl=nn.Identity(), float_to_int_impl=RoundSte(),
                    tensor_clamp_impl=TensorClampSte())


class QuantConv(nn.Module):
    """A convolution of integers and its table."""

    def __init__(self, layer, inputs):
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(torch.zeros(layer.channels, inputs, layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.zeros(layer.channels))
        self.clip = nn.Parameter(torch.ones(()))
        self.register_buffer("scale", torch.ones(layer.channels))
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("calibrated", torch.zeros(2))
        self.rounding = _rounding()

    def forward(self, x, unit, noise_steps):
        """Activations 0..31 of integers `x`, one of which stands for `unit`; and what one of them stands for."""
        clip = self.clip.clamp(min=1e-3)
        per_integer = self.scale * unit
        bits, zero = torch.tensor(float(WEIGHT_BITS)), torch.tensor(0.0)
        integers = self.rounding.to_int(self.scale[:, None, None, None], zero, bits, self.weight)
        sums = functional.conv2d(x, integers, (self.bias - clip / 2) / per_integer, self.layer.stride, self.layer.padding)
        width = clip / per_integer
        # Noise is one number for the tensor, so its steps are those of the channel in the middle.
        sigma = noise_steps / quantform.STEPS * float(width.detach().median())
        return Activation.apply(sums, width, float(self.step), sigma), clip / quantform.STEPS


class _Exact:
    """A convolution and its table in the integers of `quantform`, as tensors."""

    def __init__(self, layer, form, largest, place):
        _check(form, largest)
        self.layer, self.step = layer, form.step
        self.weights, self.bias = _tensor(form.weights, place), _tensor(form.bias, place)
        entries = form.entries()
        # The other half of the torus returns the mirrored entry.
        mirrored = np.concatenate([entries, quantform.STEPS - entries], axis=1)
        self.first = (torch.arange(len(entries), device=place) * mirrored.shape[1])[:, None, None]
        self.entries = _tensor(mirrored.reshape(-1), place)

    def __call__(self, x, noise):
        # Rounded, because an accelerator's convolution may pass through fractions.
        sums = functional.conv2d(x, self.weights, self.bias, self.layer.stride, self.layer.padding).round_()
        half = quantise.ENTRIES // 2
        if noise:
            entry = (sums / self.step).add_(torch.randn_like(sums), alpha=noise).floor_().long().add_(half)
            entry = entry.remainder_(2 * quantise.ENTRIES)
        else:
            entry = torch.floor(sums / self.step).clamp_(-half, half - 1).long() + half
        return _sum_pool(self.entries[entry.add_(self.first)], self.layer.pool)


def _tensor(numbers, place):
    # An accelerator's convolution in 32 bits is not exact on integers; the processor's is.
    return torch.from_numpy(numbers.astype(np.float64 if place.type == "cuda" else np.float32)).to(place)


def _check(form, largest):
    """32-bit floats hold every partial sum of `form` exactly for inputs up to `largest`, or this fails."""
    reach = integer.gain(form.weights) * largest + int(np.abs(form.bias).max())
    if reach >= integer.EXACT[np.float32]:
        raise OverflowError(f"sums reach {reach}")


class QuantNetwork(nn.Module):
    """The network of a `Spec` in 5 bits; reads patches in integers of the contract. Its clear head stays real."""

    def __init__(self, spec, noise_steps):
        super().__init__()
        self.spec, self.noise_steps, self.noise_entries = spec, noise_steps, 0.0
        inputs = [3, *(layer.channels for layer in spec.layers)]
        self.convs = nn.ModuleList(QuantConv(layer, count) for layer, count in zip(spec.layers, inputs))
        self.head_weight = nn.Parameter(torch.zeros(spec.outputs, spec.features()))
        self.head_bias = nn.Parameter(torch.zeros(spec.outputs))
        self.register_buffer("head_scale", torch.ones(()))
        self.clear = ClearHead(spec.clear, spec.outputs) if spec.clear else None
        self.rounding = _rounding()
        self._exact = None

    def tensors(self):
        """The network as `quantform` reads it."""
        found = {}
        for number, conv in enumerate(self.convs, 1):
            for name in ("weight", "scale", "bias", "clip", "step", "calibrated"):
                found[f"conv{number}.{name}"] = getattr(conv, name)
        found |= {"head.weight": self.head_weight, "head.bias": self.head_bias, "head.scale": self.head_scale}
        if self.clear is not None:
            found |= {f"clear.{name}": value for name, value in self.clear.state_dict().items()}
        return {name: value.detach().cpu().numpy().astype(np.float32) for name, value in found.items()}

    def fill(self, tensors):
        """Takes the values of `tensors`."""
        with torch.no_grad():
            for number, conv in enumerate(self.convs, 1):
                for name in ("weight", "scale", "bias", "clip", "step", "calibrated"):
                    getattr(conv, name).copy_(torch.from_numpy(np.asarray(tensors[f"conv{number}.{name}"])))
            self.head_weight.copy_(torch.from_numpy(tensors["head.weight"]))
            self.head_bias.copy_(torch.from_numpy(tensors["head.bias"]))
            self.head_scale.copy_(torch.from_numpy(np.asarray(tensors["head.scale"])))
            if self.clear is not None:
                self.clear.load_state_dict({name: torch.from_numpy(np.asarray(tensors[f"clear.{name}"]))
                                            for name in self.clear.state_dict()})
        return self

    def train(self, mode=True):
        """Evaluation begins with the integers of the weights as they are then."""
        self._exact = None if mode else self._in_integers()
        return super().train(mode)

    def forward(self, patches):
        """Outputs of patches; in evaluation exact integers times what one stands for."""
        if not self.training:
            return (self.sums(patches) * self._exact[-1]).float()
        x, unit = patches, torch.tensor(1 / collection.INPUT_SCALE, device=patches.device)
        for conv in self.convs:
            x, unit = conv(x, unit, self.noise_steps)
            x, unit = _sum_pool(x, conv.layer.pool), unit / conv.layer.pool**2
        bits, zero = torch.tensor(float(WEIGHT_BITS)), torch.tensor(0.0)
        weights = self.rounding.to_int(self.head_scale, zero, bits, self.head_weight)
        return functional.linear(x.flatten(1), weights) * (self.head_scale * unit) + self.head_bias

    def _in_integers(self):
        forms, head = quantform.rounded(self.spec, self.tensors())
        place, largest, layers = self.head_bias.device, max(map(abs, collection.INPUT_RANGE)), []
        for layer, form in zip(self.spec.layers, forms):
            layers.append(_Exact(layer, form, largest, place))
            largest = quantform.STEPS * layer.pool**2
        _check(head, largest)
        return layers, _tensor(head.weights, place), _tensor(head.bias, place), head.unit

    def sums(self, patches):
        """The integers a circuit gives, as floats: `[n, outputs]`. Only in evaluation.

        With `noise_entries`, as an encrypted evaluation gives them: with noise of that deviation at every table's input, in
        entries, and tables that are mirrored beyond half of the torus.
        """
        layers, weights, bias, _ = self._exact
        x = patches.to(weights.dtype)
        for layer in layers:
            x = layer(x, self.noise_entries)
        return functional.linear(x.flatten(1), weights, bias)


def _sum_pool(x, window):
    return functional.avg_pool2d(x, window, divisor_override=1) if window > 1 else x
