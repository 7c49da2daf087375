"""Architectures as data: what a network is made of, and what that costs encrypted."""

from dataclasses import asdict, dataclass

from derm_core import collection


@dataclass(frozen=True)
class Layer:
    """One convolution with its activation; `pool` is the window of the average pool behind it, 1 for none."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pool: int = 1


@dataclass(frozen=True)
class Spec:
    """A chain of layers on one patch and a linear map to `outputs` numbers."""

    name: str
    layers: tuple
    outputs: int = len(collection.CLASSES)
    side: int = collection.PATCH

    def sides(self):
        """Side of each layer's activation, before the pool."""
        found, side = [], self.side
        for layer in self.layers:
            side = (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
            found.append(side)
            side //= layer.pool
        return found

    def features(self):
        """Numbers that the last linear map reads."""
        last = self.layers[-1]
        return last.channels * (self.sides()[-1] // last.pool) ** 2

    def tables(self):
        """Table look-ups of one patch: what encryption costs."""
        return sum(layer.channels * side * side for layer, side in zip(self.layers, self.sides()))

    def to_json(self):
        """As plain values, for checkpoints and reports."""
        return asdict(self)

    @staticmethod
    def from_json(value):
        """The inverse of `to_json`."""
        return Spec(value["name"], tuple(Layer(**layer) for layer in value["layers"]), value["outputs"], value["side"])


def vgg(name, widths, side=collection.PATCH):
    """VGG11's eight convolutions with the widths given; 2x2 pools after 1, 2, 4, 6 and 8."""
    pools = (1, 2, 4, 6, 8)
    layers = tuple(Layer(width, pool=2 if number in pools else 1) for number, width in enumerate(widths, 1))
    return Spec(name, layers, side=side)


VGG11 = vgg("derm-vgg11", (64, 128, 256, 256, 512, 512, 512, 512))
# Of the smoke run: every layer of VGG11, a sixteenth of its channels.
SMOKE = vgg("derm-vgg11", tuple(layer.channels // 16 for layer in VGG11.layers))
