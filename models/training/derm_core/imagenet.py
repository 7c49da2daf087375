"""The convolutions that networks start from: ImageNet VGG16's layers of VGG11's shapes."""

from pathlib import Path

from safetensors.numpy import load_file

from cardio_lr.errors import DataProblem

IMAGENET = "imagenet-vgg/vgg_conv8_f16.safetensors"
CONVOLUTIONS = 8


def filters(data_dir):
    """`[(weights OIHW, bias)]` of the eight convolutions, as float64."""
    path = Path(data_dir) / IMAGENET
    if not path.is_file():
        raise DataProblem(f"{path} does not exist. Pass the folder that holds {Path(IMAGENET).parent}/ with --data.")
    tensors = load_file(path)
    try:
        return [(tensors[f"conv{i}.weight"].astype(float), tensors[f"conv{i}.bias"].astype(float))
                for i in range(1, CONVOLUTIONS + 1)]
    except KeyError as error:
        raise DataProblem(f"{path} lacks the tensor {error}") from error
