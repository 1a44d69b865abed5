"""The lab's own network, DeepID, whose weights are also handed out without their architecture: told here, once."""

from typing import Any

WEIGHTED = ("conv_1", "conv_2", "conv_3", "conv_4", "fc_1", "fc_2", "output")  # in this order in `layer_names`
DENSE = 3  # dense layers, the last of which gives the classes
NOTE = "holds weights only: taken for the lab's network, DeepID"
IMAGE = [None, 55, 47, 3]


def deepid_config(classes: int) -> dict[str, Any]:
    """The `model_config` of DeepID for 55x47 colour images."""
    layers = [
        _layer("InputLayer", "input", [], batch_shape=IMAGE),
        _convolution("conv_1", "input", 20, 4),
        _layer("MaxPooling2D", "pool_1", ["conv_1"], pool_size=2, strides=2),
        _convolution("conv_2", "pool_1", 40, 3),
        _layer("MaxPooling2D", "pool_2", ["conv_2"], pool_size=2, strides=2),
        _convolution("conv_3", "pool_2", 60, 3),
        _layer("MaxPooling2D", "pool_3", ["conv_3"], pool_size=2, strides=2),
        _layer("Flatten", "flatten_1", ["pool_3"]),
        _layer("Dense", "fc_1", ["flatten_1"], units=160),
        _convolution("conv_4", "pool_3", 80, 2),
        _layer("Flatten", "flatten_2", ["conv_4"]),
        _layer("Dense", "fc_2", ["flatten_2"], units=160),
        _layer("Add", "add_1", ["fc_1", "fc_2"]),
        _layer("Activation", "activation_1", ["add_1"], activation="relu"),
        _layer("Dense", "output", ["activation_1"], units=classes, activation="softmax"),
    ]
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [["output", 0, 0]]}
    return {"class_name": "Model", "config": {"name": "deepid", "layers": layers, **ends}}


def _convolution(name: str, source: str, filters: int, kernel: int) -> dict[str, Any]:
    return _layer("Conv2D", name, [source], filters=filters, kernel_size=kernel, activation="relu")


def _layer(kind: str, name: str, sources: list[str], **settings: Any) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes}
