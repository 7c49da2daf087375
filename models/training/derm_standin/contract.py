"""The input contract of an image model: how pixels become integers, what the classes are called, what is said with
a result.

A stand-in is not a diagnostic model, and every text that a device shows says so.
"""

from derm_core.contract import FORMAT, OUTPUT, class_section, image_section

INTENDED_USE = (
    "Measuring and demonstrating encrypted evaluation of dermoscopy images: it takes the place of a trained model "
    "until there is one, so that the whole way of an image, from the file to the result, can be tried."
)
NOT_FOR = (
    "Not a medical device and not a diagnostic model. Not for any decision about a person: not for diagnosis, triage, "
    "reassurance or treatment, and not as a second opinion."
)
WARNING = (
    "Not a diagnosis: a stand-in for tests. In its own test, all classes counting the same, it named the right one of "
    "seven for {accuracy:.0f} % of the images; guessing gives {chance:.0f} %. Its scores are not calibrated. Whatever it "
    "says, have the lesion looked at by a clinician."
)
MADE_UP = "Made from made-up images: its results mean nothing at all. "


def contract(report):
    """Returns contract.json as a dict; `report` is the network's report.json."""
    test = report["test"]
    warning = WARNING.format(accuracy=100 * test["balanced_accuracy_image"],
                             chance=100 * test["balanced_accuracy_by_chance"])
    return {
        "format": FORMAT,
        "model_id": report["model_id"],
        "title": f"Dermoscopy stand-in {report['model_id']}",
        "intended_use": INTENDED_USE,
        "not_for": NOT_FOR,
        "warning": (MADE_UP if report["made_up_data"] else "") + warning,
        "image": image_section(),
        "classes": class_section(),
        "scores": {
            "output": OUTPUT,
            "aggregate": "max",
            "logit_per_integer": report["head"]["logit_per_integer"],
            "temperature": 1.0,
        },
    }
