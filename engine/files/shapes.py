"""Shapes without running anything: what each layer puts out, and which weights it needs. No batch axis in them."""

from collections.abc import Sequence
from math import prod
from typing import Any

from engine.files.finding import Finding, layer_line, quoted
from engine.files.limits import ACTIVATIONS

Shape = tuple[int, ...]
Needed = list[tuple[str, Shape]]


def output_shape(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's output. Raises Finding where the settings do not fit the inputs."""
    if kind == "InputLayer":
        return tuple(config["shape"])
    shape = _RULES.get(kind, _same)(name, kind, config, inputs)
    if any(size < 1 for size in shape):
        raise layer_line(name, kind, f"would put out shape {batched(shape)}. The model was damaged; save it again.")
    if prod(shape) > ACTIVATIONS:
        raise layer_line(name, kind, f"puts out {prod(shape):,} numbers an image, the limit is {ACTIVATIONS:,}.")
    return shape


def batched(shape: Sequence[int]) -> str:
    """A shape as Keras writes it, with the batch axis: (None, 5)."""
    return f"({', '.join(['None', *map(str, shape)])})"


def needed_weights(kind: str, config: dict[str, Any], shape: Shape) -> tuple[Needed, Needed]:
    """Trainable weights and the others that a layer fed with `shape` has, in Keras's order."""
    if kind in _KERNELS:
        return _KERNELS[kind](config, shape) + _bias(config), []
    if kind == "PReLU":
        shared = config["shared_axes"] or ()
        return [("alpha", tuple(1 if axis in shared else size for axis, size in enumerate(shape, 1)))], []
    if kind not in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        return [], []
    size = tuple(shape[axis] for axis in normalised_axes(config["axis"], len(shape)))
    own = [(word, size) for word, used in (("gamma", config["scale"]), ("beta", config["center"])) if used]
    moving = [("moving_mean", size), ("moving_variance", size)] if kind == "BatchNormalization" else []
    return own, moving


def normalised_axes(axis: int | list[int], rank: int) -> list[int]:
    """Axes of a shape without batch axis, ascending, from axes that count the batch axis."""
    axes = [axis] if isinstance(axis, int) else axis
    return sorted(a - 1 if a > 0 else a + rank for a in axes)


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


def _same(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    return _single(name, kind, inputs)


def _single(name: str, kind: str, inputs: Sequence[Shape]) -> Shape:
    if len(inputs) != 1:
        raise layer_line(name, kind, f"has {len(inputs)} inputs, expected one.")
    return inputs[0]


def _image(name: str, kind: str, inputs: Sequence[Shape]) -> tuple[int, int, int]:
    shape = _single(name, kind, inputs)
    if len(shape) != 3:
        raise layer_line(name, kind, f"is fed with shape {batched(shape)}, expected images.")
    return shape[0], shape[1], shape[2]


def _window(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    if padding == "same":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def _convolved(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _image(name, kind, inputs)
    strides, dilation = config["strides"], config["dilation_rate"]
    if max(strides) > 1 and max(dilation) > 1:
        raise layer_line(name, kind, "has both strides and dilation, which Keras does not run.")
    groups = config.get("groups", 1)
    if shape[2] % groups or config.get("filters", 0) % groups:
        raise layer_line(name, kind, f"has groups={quoted(groups)}, outside the allowed values.")
    if kind in ("DepthwiseConv2D", "SeparableConv2D") and strides[0] != strides[1]:
        raise layer_line(name, kind, f"has strides={quoted(strides)}, outside the allowed values.")
    rows, columns = (
        _window(shape[i], config["kernel_size"][i], strides[i], dilation[i], config["padding"]) for i in (0, 1)
    )
    return rows, columns, config.get("filters") or shape[2] * config["depth_multiplier"]


def _transposed(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _image(name, kind, inputs)
    if max(config["dilation_rate"]) > 1:
        raise layer_line(
            name, kind, f"has dilation_rate={quoted(config['dilation_rate'])}, outside the allowed values."
        )
    extra = [0, 0] if config["padding"] == "same" else [
        max(kernel - stride, 0) for kernel, stride in zip(config["kernel_size"], config["strides"], strict=True)
    ]  # fmt: skip
    rows, columns = (shape[i] * config["strides"][i] + extra[i] for i in (0, 1))
    return rows, columns, config["filters"]


def _dense(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    return (*_single(name, kind, inputs)[:-1], config["units"])


def _flat(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    return (prod(_single(name, kind, inputs)),)


def _reshaped(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    total, target = prod(_single(name, kind, inputs)), list(config["target_shape"])
    known = prod(size for size in target if size != -1)
    if target.count(-1) == 1 and known > 0 and total % known == 0:
        target[target.index(-1)] = total // known
    if prod(target) != total or min(target) < 1:
        raise layer_line(name, kind, f"has target_shape={quoted(target)}, which {total} numbers do not fill.")
    return tuple(target)


def _permuted(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape, dims = _single(name, kind, inputs), config["dims"]
    if sorted(dims) != list(range(1, len(shape) + 1)):
        raise layer_line(name, kind, f"has dims={quoted(dims)}, outside the allowed values.")
    return tuple(shape[dim - 1] for dim in dims)


def _pooled(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape, strides = _image(name, kind, inputs), config["strides"] or config["pool_size"]
    rows, columns = (_window(shape[i], config["pool_size"][i], strides[i], 1, config["padding"]) for i in (0, 1))
    return rows, columns, shape[2]


def _globally_pooled(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    channels = _image(name, kind, inputs)[2]
    return (1, 1, channels) if config["keepdims"] else (channels,)


def _bordered(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _image(name, kind, inputs)
    sign, edges = (1, config["padding"]) if kind == "ZeroPadding2D" else (-1, config["cropping"])
    return shape[0] + sign * sum(edges[0]), shape[1] + sign * sum(edges[1]), shape[2]


def _enlarged(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    rows, columns, channels = _image(name, kind, inputs)
    return rows * config["size"][0], columns * config["size"][1], channels


def _merged(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    if len(inputs) < 2 or (kind == "Subtract" and len(inputs) != 2):
        raise layer_line(
            name, kind, f"has {len(inputs)} inputs, expected {'two' if kind == 'Subtract' else 'several'}."
        )
    if len({len(shape) for shape in inputs}) > 1:
        raise _unequal(name, kind, inputs)
    result = []
    for sizes in zip(*inputs, strict=True):
        if len(set(sizes) - {1}) > 1:
            raise _unequal(name, kind, inputs)
        result.append(max(sizes))
    return tuple(result)


def _joined(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    rank = len(inputs[0]) if inputs else 0
    axis = config["axis"] - 1 if config["axis"] > 0 else config["axis"] + rank
    if len(inputs) < 2 or not 0 <= axis < rank or config["axis"] == 0:
        raise layer_line(name, kind, f"has axis={quoted(config['axis'])}, outside the allowed values.")
    if any(len(shape) != rank or (*shape[:axis], *shape[axis + 1 :]) != (*inputs[0][:axis], *inputs[0][axis + 1 :])
           for shape in inputs):  # fmt: skip
        raise _unequal(name, kind, inputs)
    return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


def _unequal(name: str, kind: str, inputs: Sequence[Shape]) -> Finding:
    return layer_line(name, kind, f"is fed with shapes that do not fit: {', '.join(map(batched, inputs[:4]))}.")


def _normalised(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _single(name, kind, inputs)
    if config["axis"] is None:
        return shape
    axes = normalised_axes(config["axis"], len(shape))
    only_last = kind in ("BatchNormalization", "GroupNormalization", "Normalization")
    fits = axes == [len(shape) - 1] if only_last else len(set(axes)) == len(axes)
    if not fits or not all(0 <= axis < len(shape) for axis in axes):
        raise layer_line(name, kind, f"has axis={quoted(config['axis'])}, outside the allowed values.")
    if kind == "GroupNormalization" and (config["groups"] == 0 or shape[-1] % max(config["groups"], 1)):
        raise layer_line(name, kind, f"has groups={quoted(config['groups'])}, outside the allowed values.")
    return shape


def _per_channel(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _normalised(name, kind, config, inputs) if kind == "Normalization" else _single(name, kind, inputs)
    for key in ("scale", "offset", "mean", "variance"):
        value = config.get(key)
        if isinstance(value, list) and len(value) not in (1, shape[-1]):
            raise layer_line(name, kind, f"has {len(value)} values of {key}, expected {shape[-1]}.")
    return shape


def _leaky(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    shape = _single(name, kind, inputs)
    if any(axis > len(shape) for axis in config["shared_axes"] or ()):
        raise layer_line(name, kind, f"has shared_axes={quoted(config['shared_axes'])}, outside the allowed values.")
    return shape


_KERNELS = {
    "Conv2D": _conv_kernel,
    "Conv2DTranspose": _transposed_kernel,
    "DepthwiseConv2D": _depthwise_kernel,
    "SeparableConv2D": _separable_kernels,
    "Dense": _dense_kernel,
}
_RULES = {
    "Conv2D": _convolved,
    "DepthwiseConv2D": _convolved,
    "SeparableConv2D": _convolved,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "Flatten": _flat,
    "Reshape": _reshaped,
    "Permute": _permuted,
    "MaxPooling2D": _pooled,
    "AveragePooling2D": _pooled,
    "GlobalMaxPooling2D": _globally_pooled,
    "GlobalAveragePooling2D": _globally_pooled,
    "ZeroPadding2D": _bordered,
    "Cropping2D": _bordered,
    "UpSampling2D": _enlarged,
    "Add": _merged,
    "Subtract": _merged,
    "Multiply": _merged,
    "Average": _merged,
    "Maximum": _merged,
    "Minimum": _merged,
    "Concatenate": _joined,
    "BatchNormalization": _normalised,
    "LayerNormalization": _normalised,
    "GroupNormalization": _normalised,
    "Softmax": _normalised,
    "Normalization": _per_channel,
    "Rescaling": _per_channel,
    "PReLU": _leaky,
}
