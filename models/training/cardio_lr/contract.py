"""The input contract: what the clinic's device asks, checks, quantises and says with a result."""

from . import features, quantise

MODEL_ID = "cardio-lr"
TITLE = "Cardiovascular disease screening (NHANES)"
INTENDED_USE = (
    "Research and demonstration of encrypted screening: estimates how likely an adult aged 20 or over, who is not "
    "pregnant, already has atherosclerotic cardiovascular disease (a doctor has reported coronary heart disease, "
    "heart attack or stroke), so that a clinician can decide whom to look at more closely."
)
NOT_FOR = (
    "Not a medical device. Not a diagnosis, not a forecast of future events, not for acute symptoms, people under "
    "20, pregnancy, or starting, changing or stopping treatment."
)
WARNING = (
    "Not a medical device: a screening estimate of disease already present, learnt from self-reports, not a "
    "diagnosis and not a forecast. A negative result does not rule disease out; with symptoms, see a clinician now."
)
POSITIVE = ("Above the screening threshold",
            "A closer look by a clinician is advised. Most people above the threshold do not have the disease; from "
            "about 60 years on nearly everyone is above it, and the probability says more than the threshold.")
NEGATIVE = ("Below the screening threshold",
            "The record resembles those of people without known disease. A few in 100 people with the disease fall "
            "here, and about half of those under 40: this does not rule it out.")


def contract(model):
    """Returns contract.json as a dict."""
    return {
        "format": 1,
        "model_id": MODEL_ID,
        "title": TITLE,
        "intended_use": INTENDED_USE,
        "not_for": NOT_FOR,
        "warning": WARNING,
        "scale_bits": 12,
        "fields": _fields(model.scales),
        "outputs": {"score": {"scale": quantise.SCORE_SCALE}, "probability": {"scale": quantise.SCALE}},
        "decision": {
            "score_threshold": model.score_threshold,
            "positive": dict(zip(("label", "text"), POSITIVE)),
            "negative": dict(zip(("label", "text"), NEGATIVE)),
        },
    }


def _fields(scales):
    scale_of = {scale.name: scale for scale in scales}
    out = []
    for field in features.FIELDS:
        entry = {"name": field.name, "label": field.label, "unit": field.unit}
        if field.is_code:
            entry |= {"kind": "code", "missing": "refuse", "help": field.help}
            entry["codes"] = [
                {"code": code.code, "label": code.label, "values": list(code.values)} for code in field.codes
            ]
        else:
            entry |= {"kind": "number", "min": field.minimum, "max": field.maximum, "missing": "refuse",
                      "help": field.help}
        entry["inputs"] = [
            {"name": name, "offset": scale_of[name].offset, "factor": scale_of[name].factor} for name in field.inputs
        ]
        out.append(entry)
    return out


def scales_of(document):
    """Reads the input scales back from contract.json."""
    return [
        quantise.InputScale(entry["name"], entry["offset"], entry["factor"])
        for field in document["fields"] for entry in field["inputs"]
    ]
