"""Which weights a layer needs, in Keras's order, told from its settings and the shape it is fed with."""

from typing import Any

from engine.architecture.shapes import Shape, axes_of

Needed = list[tuple[str, Shape]]


def needed_weights(kind: str, config: dict[str, Any], shape: Shape) -> tuple[Needed, Needed]:
    """Trainable weights and the others that a layer fed with `shape` has, in Keras's order."""
    if kind in _KERNELS:
        return _KERNELS[kind](config, shape) + _bias(config), []
    if kind == "PReLU":
        shared = config["shared_axes"] or ()
        return [("alpha", tuple(1 if axis in shared else size for axis, size in enumerate(shape, 1)))], []
    if kind not in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        return [], []
    size = tuple(shape[axis] for axis in axes_of(config["axis"], len(shape)))
    own = [(word, size) for word, used in (("gamma", config["scale"]), ("beta", config["center"])) if used]
    moving = [("moving_mean", size), ("moving_variance", size)] if kind == "BatchNormalization" else []
    return own, moving


def _bias(config: dict[str, Any]) -> Needed:
    size = config["units"] if "units" in config else config.get("filters")
    return [("bias", (size,))] if config["use_bias"] and size is not None else []


def _conv_kernel(config: dict[str, Any], shape: Shape) -> Needed:
    return [("kernel", (*config["kernel_size"], shape[-1] // config["groups"], config["filters"]))]


def _transposed_kernel(config: dict[str, Any], shape: Shape) -> Needed:
    return [("kernel", (*config["kernel_size"], config["filters"], shape[-1]))]


def _depthwise_kernel(config: dict[str, Any], shape: Shape) -> Needed:
    kernel = [("depthwise_kernel", (*config["kernel_size"], shape[-1], config["depth_multiplier"]))]
    bias = [("bias", (shape[-1] * config["depth_multiplier"],))]
    return kernel + (bias if config["use_bias"] else [])


def _separable_kernels(config: dict[str, Any], shape: Shape) -> Needed:
    depth = shape[-1] * config["depth_multiplier"]
    return [
        ("depthwise_kernel", (*config["kernel_size"], shape[-1], config["depth_multiplier"])),
        ("pointwise_kernel", (1, 1, depth, config["filters"])),
    ]


def _dense_kernel(config: dict[str, Any], shape: Shape) -> Needed:
    return [("kernel", (shape[-1], config["units"]))]


_KERNELS = {
    "Conv2D": _conv_kernel,
    "Conv2DTranspose": _transposed_kernel,
    "DepthwiseConv2D": _depthwise_kernel,
    "SeparableConv2D": _separable_kernels,
    "Dense": _dense_kernel,
}
