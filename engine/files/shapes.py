"""Shapes without running anything: what each layer puts out, or why it cannot."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from engine.files import spatial
from engine.files.finding import quoted
from engine.files.limits import ACTIVATIONS
from engine.files.step import Shape, Step, axes_of, batched


def output_shape(name: str, kind: str, config: dict[str, Any], inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's output. Raises Finding where the settings do not fit the inputs."""
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
    "Conv2D": spatial.convolved,
    "DepthwiseConv2D": spatial.convolved,
    "SeparableConv2D": spatial.convolved,
    "Conv2DTranspose": spatial.transposed,
    "MaxPooling2D": spatial.pooled,
    "AveragePooling2D": spatial.pooled,
    "GlobalMaxPooling2D": spatial.globally_pooled,
    "GlobalAveragePooling2D": spatial.globally_pooled,
    "GlobalMaxPooling1D": spatial.pooled_in_order,
    "GlobalAveragePooling1D": spatial.pooled_in_order,
    "ZeroPadding2D": spatial.bordered,
    "Cropping2D": spatial.bordered,
    "UpSampling2D": spatial.enlarged,
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
