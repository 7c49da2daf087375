"""The clear head, as it is trained: what a device computes of the numbers of all patches.

h = relu(W x + b + position) of each patch, or x itself; pooled are, in this order, the mean of h, its maximum, and for each
attention head a the sum of softmax(a . h) h; logits are V pooled + c.
"""

import torch
from torch import nn

from derm_core import collection


class ClearHead(nn.Module):
    """The head of a `spec.Clear` over `inputs` numbers per patch."""

    def __init__(self, clear, inputs, dropout=0.2):
        super().__init__()
        self.clear = clear
        units = clear.hidden or inputs
        self.hidden = nn.Linear(inputs, units) if clear.hidden else None
        self.positions = nn.Parameter(torch.zeros(collection.PATCHES, units)) if clear.positions and clear.hidden else None
        self.attention = nn.Parameter(torch.randn(clear.attention, units) / units**0.5)
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(units * clear.pools(), len(collection.CLASSES))

    def forward(self, outputs, places):
        """Logits `[scans, classes]` of `outputs [scans, patches, inputs]` at `places [scans, patches]`, 0 to 48."""
        h = outputs
        if self.hidden is not None:
            h = self.hidden(h)
            if self.positions is not None:
                h = h + self.positions[places]
            h = torch.relu(h)
        pools = [h.mean(dim=1)] if self.clear.mean else []
        pools += [h.amax(dim=1)] if self.clear.maximum else []
        weights = torch.softmax(h @ self.attention.T, dim=1)
        pools += [(weights[:, :, head, None] * h).sum(dim=1) for head in range(self.clear.attention)]
        return self.classes(self.dropout(torch.cat(pools, dim=1)))


def scan_logits(head, outputs, places):
    """Logits of scans: of the head, or without one the largest output of each class over the patches."""
    return outputs.amax(dim=1) if head is None else head(outputs, places)
