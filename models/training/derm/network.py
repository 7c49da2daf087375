"""The network in floating point."""

import torch
from torch import nn

from cardio_lr.errors import DataProblem
from derm_core import collection

from .clearhead import ClearHead


class FloatNetwork(nn.Module):
    """Convolution, batch norm, ReLU and average pool for each layer of a `Spec`; then dropout and a linear map.

    Reads patches in integers of the contract, `[n, 3, side, side]`; gives `[n, outputs]`, which `clear`, or the maximum
    without one, makes logits of a scan of.
    """

    def __init__(self, spec, dropout=0.2):
        super().__init__()
        self.spec = spec
        inputs = 3
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer in spec.layers:
            self.convs.append(nn.Conv2d(inputs, layer.channels, layer.kernel, layer.stride, layer.padding, bias=False))
            self.norms.append(nn.BatchNorm2d(layer.channels))
            inputs = layer.channels
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(spec.features(), spec.outputs)
        self.clear = ClearHead(spec.clear, spec.outputs) if spec.clear else None

    def forward(self, patches):
        """Outputs of patches."""
        x = patches / collection.INPUT_SCALE
        for layer, conv, norm in zip(self.spec.layers, self.convs, self.norms):
            x = torch.relu_(norm(conv(x)))
            if layer.pool > 1:
                x = nn.functional.avg_pool2d(x, layer.pool)
        return self.head(self.dropout(x.flatten(1)))


def start_from(network, filters):
    """Fills the convolutions with `[(weights OIHW, bias)]` of the same shapes; batch norm takes the biases' place."""
    with torch.no_grad():
        for conv, (weights, _) in zip(network.convs, filters, strict=True):
            if weights.shape != tuple(conv.weight.shape):
                raise DataProblem(f"filters are {weights.shape}, the network needs {tuple(conv.weight.shape)}")
            conv.weight.copy_(torch.from_numpy(weights))


def folded(network):
    """`[(weights OIHW, bias)]` in float64, batch norm included: what each activation clips is `weights * x + bias`.

    A channel's factor leaves its weights again through its own weight scale when they are rounded, so it ends in the
    channel's table; its sign costs nothing either.
    """
    found = []
    for conv, norm in zip(network.convs, network.norms):
        factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double().cpu().numpy()
        weights = conv.weight.detach().double().cpu().numpy() * factor[:, None, None, None]
        mean, shift = (values.detach().double().cpu().numpy() for values in (norm.running_mean, norm.bias))
        found.append((weights, shift - mean * factor))
    return found
