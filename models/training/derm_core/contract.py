"""What the contracts of all dermoscopy models have in common: how pixels become integers, what the classes are."""

from . import collection

FORMAT = 2
OUTPUT = "logits"
# Label and text of each class of `collection.CLASSES`; what the class is, never what to do about it.
CLASSES = {
    "akiec": ("Actinic keratosis / intraepithelial carcinoma",
              "Sun-damaged skin that can turn into cancer, or a cancer that has not left the outermost layer of the "
              "skin (Bowen's disease)."),
    "bcc": ("Basal cell carcinoma", "A common skin cancer that grows slowly and seldom spreads."),
    "bkl": ("Benign keratosis",
            "A harmless thickening or age spot: seborrhoeic keratosis, solar lentigo or lichen-planus-like keratosis."),
    "df": ("Dermatofibroma", "A harmless firm nodule of connective tissue."),
    "mel": ("Melanoma", "A skin cancer of pigment cells, dangerous when it is found late."),
    "nv": ("Melanocytic nevus", "A mole: a harmless growth of pigment cells."),
    "vasc": ("Vascular lesion", "A harmless growth of blood vessels, such as an angioma, or a bleed under the skin."),
}


def image_section():
    """How a device makes the circuit's integers of a picture."""
    return {
        "resize": {"side": collection.SIDE, "filter": collection.FILTER},
        "crop": collection.CROP,
        "patch": collection.PATCH,
        "scale": collection.INPUT_SCALE,
        "channels": [{"name": name, "mean": mean, "deviation": deviation}
                     for name, mean, deviation in zip(collection.COLOURS, collection.MEAN, collection.DEVIATION)],
    }


def class_section():
    """The classes in the order of the circuit's output, with what a device says of each."""
    return [{"name": name, "label": CLASSES[name][0], "text": CLASSES[name][1]} for name in collection.CLASSES]
