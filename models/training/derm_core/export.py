"""Writes circuit.json and weights.safetensors: same network, same bytes."""

import json

import numpy as np
from safetensors.numpy import load, save

from . import collection, integer


def json_text(document):
    """UTF-8 JSON, keys in the order given, trailing newline; lists of numbers stay on one line."""
    return _value(document, 0) + "\n"


def _value(value, depth):
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        inner = [f"{pad}{json.dumps(key)}: {_value(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + "  " * depth + "}" if inner else "{}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(pad + _value(item, depth + 1) for item in value) + "\n" + "  " * depth + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def circuit(network):
    """Returns circuit.json as a dict."""
    low, high = collection.INPUT_RANGE
    nodes = [{"op": "input", "name": "patch", "shape": list(network.shape), "min": [low], "max": [high]}]
    previous = "patch"
    for layer in network.layers:
        nodes.append(_node(layer, previous))
        previous = layer.name
    nodes.append({"op": "output", "name": "logits", "input": previous})
    return {"format": 1, "nodes": nodes}


def _node(layer, previous):
    name = layer.name
    dense = {"name": name, "input": previous, "weights": f"{name}.weights", "bias": f"{name}.bias"}
    if isinstance(layer, integer.Conv):
        return {"op": "conv2d"} | dense | {"stride": [layer.stride] * 2, "padding": [layer.padding] * 2}
    if isinstance(layer, integer.Linear):
        return {"op": "linear"} | dense
    if isinstance(layer, integer.SumPool):
        return {"op": "sumpool", "name": name, "input": previous, "window": [layer.window] * 2,
                "stride": [layer.window] * 2}
    return {"op": "lut", "name": name, "input": previous, "table": f"{name}.table", "origin": int(layer.origin),
            "step": int(layer.step), "calibrated": [int(end) for end in layer.calibrated]}


def weights(network):
    """Returns weights.safetensors as bytes."""
    tensors = {}
    for layer in network.layers:
        if isinstance(layer, integer.Table):
            tensors[f"{layer.name}.table"] = layer.entries.astype(np.int32)
        elif not isinstance(layer, integer.SumPool):
            tensors[f"{layer.name}.weights"] = np.ascontiguousarray(layer.weights.astype(np.int8))
            tensors[f"{layer.name}.bias"] = layer.bias.astype(np.int64)
    return save(tensors)


def read(name, circuit_json, weights_safetensors):
    """The network of the two files: what is evaluated for golden logits is what was written."""
    tensors = load(weights_safetensors)
    nodes = json.loads(circuit_json)["nodes"]
    layers = []
    for node in nodes[1:-1]:
        if node["op"] == "sumpool":
            layers.append(integer.SumPool(node["name"], node["window"][0]))
        elif node["op"] == "lut":
            layers.append(integer.Table(node["name"], tensors[node["table"]].astype(np.int64), node["origin"],
                                        node["step"], tuple(node["calibrated"])))
        else:
            dense = node["name"], tensors[node["weights"]].astype(np.int64), tensors[node["bias"]]
            convolution = node["op"] == "conv2d"
            layers.append(integer.Conv(*dense, node["stride"][0], node["padding"][0]) if convolution
                          else integer.Linear(*dense))
    return integer.Network(name, tuple(nodes[0]["shape"]), layers)
