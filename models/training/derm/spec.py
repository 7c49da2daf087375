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
class Clear:
    """What the device makes, in the clear, of the numbers of all patches: `hidden` units per patch, or none; what it pools of
    them: the mean, the maximum, and what each of `attention` heads attends to."""

    hidden: int = 32
    positions: bool = True
    mean: bool = True
    maximum: bool = True
    attention: int = 2

    def pools(self):
        """Parts of the pooled vector."""
        return int(self.mean) + int(self.maximum) + self.attention


@dataclass(frozen=True)
class Spec:
    """A chain of layers on one patch and a linear map to `outputs` numbers; without `clear` these are logits, and the largest
    of each over the patches counts."""

    name: str
    layers: tuple
    outputs: int = len(collection.CLASSES)
    side: int = collection.PATCH
    clear: Clear | None = None

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

    def products(self):
        """Multiplications of one patch."""
        count, inputs = 0, 3
        for layer, side in zip(self.layers, self.sides()):
            count += inputs * layer.channels * layer.kernel**2 * side * side
            inputs = layer.channels
        return count + self.features() * self.outputs

    def to_json(self):
        """As plain values, for checkpoints and reports; what is not there has no key."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_json(value):
        """The inverse of `to_json`."""
        clear = Clear(**value["clear"]) if "clear" in value else None
        return Spec(value["name"], tuple(Layer(**layer) for layer in value["layers"]), value["outputs"], value["side"], clear)


def vgg(name, widths, side=collection.PATCH):
    """VGG11's eight convolutions with the widths given; 2x2 pools after 1, 2, 4, 6 and 8."""
    pools = (1, 2, 4, 6, 8)
    layers = tuple(Layer(width, pool=2 if number in pools else 1) for number, width in enumerate(widths, 1))
    return Spec(name, layers, side=side)


def lean(name, shapes, outputs=16, clear=Clear()):
    """A chain of strided convolutions down to one position; `shapes` are (channels, kernel, stride, padding)."""
    made = Spec(name, tuple(Layer(*shape) for shape in shapes), outputs, clear=clear)
    if made.sides()[-1] != 1:
        raise ValueError(f"{name} ends with {made.sides()[-1]} positions a side")
    return made


def _four(name, *channels):
    """6x6 at stride 4, 3x3 at stride 2 twice, 2x2: 8, 4, 2 and 1 positions a side."""
    return lean(name, list(zip(channels, (6, 3, 3, 2), (4, 2, 2, 1), (1, 1, 1, 0))))


def _three(name, *channels):
    """8x8 at stride 8, 2x2 at stride 2 twice: 4, 2 and 1 positions a side."""
    return lean(name, list(zip(channels, (8, 2, 2), (8, 2, 2), (0, 0, 0))))


def _overlapping(name, *channels):
    """As `_three`, with windows that overlap."""
    return lean(name, list(zip(channels, (12, 3, 2), (8, 2, 1), (2, 1, 0))))


# Networks of the frontier, by their tables per patch; the first was the first try.
FRONTIER = (
    _four("four-16-48-128-512", 16, 48, 128, 512), _four("four-16-48-96-256", 16, 48, 96, 256),
    _four("four-24-32-64-128", 24, 32, 64, 128), _four("four-12-40-96-384", 12, 40, 96, 384),
    _four("four-16-32-64-256", 16, 32, 64, 256), _four("four-8-32-64-256", 8, 32, 64, 256),
    _four("four-4-16-32-128", 4, 16, 32, 128), _four("four-2-8-32-128", 2, 8, 32, 128),
    _three("three-96-128-384", 96, 128, 384), _three("three-32-128-512", 32, 128, 512),
    _overlapping("overlap-96-128-384", 96, 128, 384), _overlapping("overlap-64-128-512", 64, 128, 512),
    _overlapping("overlap-32-64-256", 32, 64, 256),
)

VGG11 = vgg("derm-vgg11", (64, 128, 256, 256, 512, 512, 512, 512))
# Of the smoke run: every layer of VGG11, a sixteenth of its channels.
SMOKE = vgg("derm-vgg11", tuple(layer.channels // 16 for layer in VGG11.layers))
