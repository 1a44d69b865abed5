"""Shapes without running anything: what each layer puts out for the shapes it is fed with, or why it cannot."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from engine.file_safety.limits import ACTIVATIONS
from engine.file_safety.refusal import FileRefused, layer_line, quoted

Shape = tuple[int, ...]  # without the batch axis


class Step(NamedTuple):
    """One layer in place: its checked settings and the shapes of its inputs."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[Shape, ...]

    def refused(self, text: str) -> FileRefused:
        return layer_line(self.name, self.kind, text)

    def outside(self, key: str) -> FileRefused:
        """The refusal of a setting that does not fit what the layer is fed with."""
        return self.refused(f"has {key}={quoted(self.config[key])}, outside the allowed values.")

    def unequal(self) -> FileRefused:
        shown = ", ".join(map(batched, self.inputs[:4]))
        return self.refused(f"is fed with shapes that do not fit: {shown}.")

    def single(self) -> Shape:
        """The shape of the only input."""
        if len(self.inputs) != 1:
            raise self.refused(f"has {len(self.inputs)} inputs, expected one.")
        return self.inputs[0]

    def image(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the only input."""
        shape = self.single()
        if len(shape) != 3:
            raise self.refused(f"is fed with shape {batched(shape)}, expected images.")
        return shape[0], shape[1], shape[2]


def batched(shape: Sequence[int]) -> str:
    """A shape as Keras writes it, with the batch axis: (None, 5)."""
    return f"({', '.join(['None', *map(str, shape)])})"


def axes_of(axis: int | list[int], rank: int) -> list[int]:
    """Axes of a shape without batch axis, ascending, from axes that count the batch axis."""
    axes = [axis] if isinstance(axis, int) else axis
    return sorted(a - 1 if a > 0 else a + rank for a in axes)


def convolved(step: Step) -> Shape:
    """Conv2D, DepthwiseConv2D and SeparableConv2D."""
    shape, config = step.image(), step.config
    strides, dilation, groups = config["strides"], config["dilation_rate"], config.get("groups", 1)
    if max(strides) > 1 and max(dilation) > 1:
        raise step.refused("has both strides and dilation, which Keras does not run.")
    if shape[2] % groups or config.get("filters", 0) % groups:
        raise step.outside("groups")
    if step.kind != "Conv2D" and strides[0] != strides[1]:
        raise step.outside("strides")
    rows, columns = (
        _windows(shape[i], config["kernel_size"][i], strides[i], dilation[i], config["padding"]) for i in (0, 1)
    )
    return rows, columns, config.get("filters") or shape[2] * config["depth_multiplier"]


def transposed(step: Step) -> Shape:
    shape, config = step.image(), step.config
    if max(config["dilation_rate"]) > 1:
        raise step.outside("dilation_rate")
    rows, columns = (
        shape[i] * stride + (max(kernel - stride, 0) if config["padding"] == "valid" else 0)
        for i, (kernel, stride) in enumerate(zip(config["kernel_size"], config["strides"], strict=True))
    )
    return rows, columns, config["filters"]


def pooled(step: Step) -> Shape:
    shape, size, padding = step.image(), step.config["pool_size"], step.config["padding"]
    strides = step.config["strides"] or size
    rows, columns = (_windows(shape[i], size[i], strides[i], 1, padding) for i in (0, 1))
    return rows, columns, shape[2]


def globally_pooled(step: Step) -> Shape:
    channels = step.image()[2]
    return (1, 1, channels) if step.config["keepdims"] else (channels,)


def pooled_in_order(step: Step) -> Shape:
    """GlobalMaxPooling1D and GlobalAveragePooling1D: over the first of two axes."""
    shape = step.single()
    if len(shape) != 2:
        raise step.refused(f"is fed with shape {batched(shape)}, expected (None, steps, channels).")
    return (1, shape[1]) if step.config["keepdims"] else (shape[1],)


def bordered(step: Step) -> Shape:
    """ZeroPadding2D and Cropping2D."""
    rows, columns, channels = step.image()
    sign, edges = (1, step.config["padding"]) if step.kind == "ZeroPadding2D" else (-1, step.config["cropping"])
    return rows + sign * sum(edges[0]), columns + sign * sum(edges[1]), channels


def enlarged(step: Step) -> Shape:
    rows, columns, channels = step.image()
    return rows * step.config["size"][0], columns * step.config["size"][1], channels


def _windows(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """How many windows fit along one axis."""
    if padding == "same":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def output_shape(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's output. Raises FileRefused where the settings do not fit the inputs."""
    if kind == "InputLayer":
        return tuple(config["shape"])
    step = Step(name, kind, config, tuple(inputs))
    shape = _RULES.get(kind, Step.single)(step)
    if any(size < 1 for size in shape):
        raise step.refused(f"would put out shape {batched(shape)}. The model was damaged; save it again.")
    if prod(shape) > ACTIVATIONS:
        raise step.refused(f"puts out {prod(shape):,} numbers an image, the limit is {ACTIVATIONS:,}.")
    return shape


def _dense(step: Step) -> Shape:
    return (*step.single()[:-1], step.config["units"])


def _flat(step: Step) -> Shape:
    return (prod(step.single()),)


def _reshaped(step: Step) -> Shape:
    total, target = prod(step.single()), list(step.config["target_shape"])
    known = prod(size for size in target if size != -1)
    if target.count(-1) == 1 and known > 0 and total % known == 0:
        target[target.index(-1)] = total // known
    if prod(target) != total or min(target) < 1:
        raise step.refused(f"has target_shape={quoted(target)}, which {total} numbers do not fill.")
    return tuple(target)


def _permuted(step: Step) -> Shape:
    shape, dims = step.single(), step.config["dims"]
    if sorted(dims) != list(range(1, len(shape) + 1)):
        raise step.outside("dims")
    return tuple(shape[dim - 1] for dim in dims)


def _merged(step: Step) -> Shape:
    """Arithmetic on inputs of one shape; axes of size 1 stretch."""
    if len(step.inputs) < 2 or (step.kind == "Subtract" and len(step.inputs) != 2):
        expected = "two" if step.kind == "Subtract" else "several"
        raise step.refused(f"has {len(step.inputs)} inputs, expected {expected}.")
    if len({len(shape) for shape in step.inputs}) > 1:
        raise step.unequal()
    sizes = [set(axis) - {1} for axis in zip(*step.inputs, strict=True)]
    if any(len(found) > 1 for found in sizes):
        raise step.unequal()
    return tuple(max(found, default=1) for found in sizes)


def _joined(step: Step) -> Shape:
    rank = len(step.inputs[0]) if step.inputs else 0
    (axis,) = axes_of(step.config["axis"], rank)
    if len(step.inputs) < 2 or not 0 <= axis < rank:
        raise step.outside("axis")
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in step.inputs}
    if len(others) > 1 or {len(shape) for shape in step.inputs} != {rank}:
        raise step.unequal()
    first = step.inputs[0]
    return (*first[:axis], sum(shape[axis] for shape in step.inputs), *first[axis + 1 :])


def _by_axes(step: Step) -> Shape:
    """Layers that look along axes and keep the shape."""
    shape, axis = step.single(), step.config["axis"]
    axes = axes_of(axis, len(shape))
    if len(set(axes)) != len(axes) or not all(0 <= place < len(shape) for place in axes):
        raise step.outside("axis")
    return shape


def _by_channel(step: Step) -> Shape:
    """Layers that treat the last axis as channels, and no other."""
    shape, config = step.single(), step.config
    if config.get("axis") is not None and axes_of(config["axis"], len(shape)) != [len(shape) - 1]:
        raise step.outside("axis")
    if step.kind == "GroupNormalization" and (config["groups"] == 0 or shape[-1] % max(config["groups"], 1)):
        raise step.outside("groups")
    if _count(config.get("mean")) != _count(config.get("variance")):
        raise step.refused("has a mean and a variance that do not fit each other.")
    for key in ("scale", "offset", "mean", "variance"):
        value = config.get(key)
        if isinstance(value, list) and len(value) not in (1, shape[-1]):
            raise step.refused(f"has {len(value)} values of {key}, expected {shape[-1]}.")
    return shape


def _count(value: float | list[float] | None) -> int:
    """How many numbers a setting holds: -1 for none, 0 for one alone."""
    return len(value) if isinstance(value, list) else -1 if value is None else 0


def _image(step: Step) -> Shape:
    return step.image()


def _computed(step: Step) -> Shape:
    """Arithmetic with a constant: one number, or one for each channel."""
    shape, constant = step.single(), step.config["constant"]
    if isinstance(constant, list) and (len(constant) not in (1, shape[-1]) or step.config["axes"] > len(shape) + 1):
        raise step.refused(f"has {len(constant)} constants, expected one or {shape[-1]}.")
    return shape


def _divided(step: Step) -> Shape:
    if len(step.inputs) != 2:
        raise step.refused(f"has {len(step.inputs)} inputs, expected two.")
    return _merged(step)


def _taken(step: Step) -> Shape:
    """Some channels, or one without their axis."""
    shape, config = step.single(), step.config
    index, places = config["index"], [config[word] for word in ("start", "stop", "step")]
    if index is not None:
        if not -shape[-1] <= index < shape[-1] or len(shape) < 2 or any(place is not None for place in places):
            raise step.outside("index")
        return shape[:-1]
    if places[2] == 0:
        raise step.outside("step")
    return (*shape[:-1], len(range(shape[-1])[slice(*places)]))


def _stacked(step: Step) -> Shape:
    if len(set(step.inputs)) != 1:
        raise step.unequal()
    return (*step.inputs[0], len(step.inputs))


def _leaky(step: Step) -> Shape:
    shape = step.single()
    if any(axis > len(shape) for axis in step.config["shared_axes"] or ()):
        raise step.outside("shared_axes")
    return shape


# layers that are not named here keep the shape of their only input
_RULES: dict[str, Callable[[Step], Shape]] = {
    "Conv2D": convolved,
    "DepthwiseConv2D": convolved,
    "SeparableConv2D": convolved,
    "Conv2DTranspose": transposed,
    "MaxPooling2D": pooled,
    "AveragePooling2D": pooled,
    "GlobalMaxPooling2D": globally_pooled,
    "GlobalAveragePooling2D": globally_pooled,
    "GlobalMaxPooling1D": pooled_in_order,
    "GlobalAveragePooling1D": pooled_in_order,
    "ZeroPadding2D": bordered,
    "Cropping2D": bordered,
    "UpSampling2D": enlarged,
    "Dense": _dense,
    "Flatten": _flat,
    "Reshape": _reshaped,
    "Permute": _permuted,
    "Add": _merged,
    "Subtract": _merged,
    "Multiply": _merged,
    "Average": _merged,
    "Maximum": _merged,
    "Minimum": _merged,
    "Concatenate": _joined,
    "LayerNormalization": _by_axes,
    "Softmax": _by_axes,
    "BatchNormalization": _by_channel,
    "GroupNormalization": _by_channel,
    "Normalization": _by_channel,
    "Rescaling": _by_channel,
    "Arithmetic": _computed,
    "Divide": _divided,
    "Take": _taken,
    "Stack": _stacked,
    "PReLU": _leaky,
    "SpatialDropout2D": _image,
}
