"""A network without its pruned channels: their filters gone, and all that was computed for them.

A pruned channel holds the same numbers whatever the image, its base. What acts on each channel alone (activations,
pooling, batch normalisation) keeps it so; a layer that sums over channels loses the slice of its kernel that reads it,
and its bias takes over what the base added to every sum. Where that is not exact, the network is refused.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import keras
import numpy as np

from engine.architecture.description import LayerSpec, ModelFile, ModelSpec, WeightSpec
from engine.architecture.graph import DROPOUT, POOLING, output_shapes, prunable
from engine.architecture.layers import CHANNELS_APART, MERGING, MIXING
from engine.file_safety.refusal import FileRefused, quoted, refused
from engine.network.graph_operations import OPERATIONS
from engine.run.inputs import pruned_layer

Arrays = dict[str, list[np.ndarray]]
ALONE = {
    "Activation", "BatchNormalization", "Rescaling", "Normalization", "Arithmetic", "ZeroPadding2D", "Cropping2D",
    "UpSampling2D", "DepthwiseConv2D", "Cast", "GlobalMaxPooling1D", "GlobalAveragePooling1D",
    *CHANNELS_APART, *DROPOUT, *POOLING,
}  # fmt: skip
SUMMING = ("Conv2D", "Dense", "Conv2DTranspose", "SeparableConv2D")
OWN = ("Arithmetic", "Cast")  # operations of a graph
LISTS = ("scale", "offset", "mean", "variance", "constant")  # settings that may hold a number a channel


class Held(NamedTuple):
    """The output of a layer: which channels of its last axis are alive (C,), and what dead ones hold (.., C)."""

    alive: np.ndarray
    base: np.ndarray

    @property
    def whole(self) -> bool:
        return bool(self.alive.all())


class Smaller(NamedTuple):
    """The network that is left, and how many channels of which layer are gone."""

    spec: ModelSpec
    arrays: Arrays
    layer: str
    pruned: int


def shrunk(model: ModelFile, layer: str | None) -> Smaller:
    """The network of a file without the pruned channels of `layer` (None: of the last that has any).

    Raises Refused, naming the layer in the way.
    """
    name, _ = pruned_layer(model, layer or with_pruned_channels(model))
    pruned = pruned_channels(model, name)
    if not pruned.any():
        raise refused(model.path, f"has no pruned channel in {quoted(name)}: no filter and bias are zero.")
    if pruned.all():
        raise refused(model.path, f"has no channel left in {quoted(name)}: every filter is zero.")
    try:
        work = Shrinking(model, name, ~pruned)
        return Smaller(*work.carried_out(), name, int(pruned.sum()))
    except FileRefused as finding:
        raise refused(model.path, str(finding)) from None


def with_pruned_channels(model: ModelFile) -> str | None:
    """The last convolution that has pruned channels and others; None where no one has."""
    able = [name for name, refusal in prunable(model.spec).items() if refusal is None]
    found = {name: pruned_channels(model, name) for name in able}
    return next((name for name in reversed(able) if found[name].any() and not found[name].all()), None)


def pruned_channels(model: ModelFile, layer: str) -> np.ndarray:
    """The channels whose filter and bias are zero: (channels,), bool."""
    zero = [(np.abs(array.reshape(-1, array.shape[-1])) == 0).all(axis=0) for array in model.arrays[layer]]
    found: np.ndarray = np.logical_and.reduce(zero)
    return found


class Shrinking:
    """One network on its way. `held` has the outputs that were looked at already."""

    def __init__(self, model: ModelFile, layer: str, alive: np.ndarray) -> None:
        self.model, self.layer, self.alive = model, layer, alive
        self.shapes = output_shapes(model.spec.layers)
        self.held: dict[str, Held] = {}
        self.layers: dict[str, LayerSpec] = {}
        self.arrays: Arrays = {name: list(arrays) for name, arrays in model.arrays.items()}
        self.cut: dict[str, tuple[bool, ...]] = {}  # by owner, the channels alive of what it is fed with

    def carried_out(self) -> tuple[ModelSpec, Arrays]:
        for layer in self.model.spec.layers:
            feeds = [self.held[name] for name in layer.inputs]
            self.layers[layer.name], self.held[layer.name] = self.of(layer, feeds)
        if not self.held[self.model.spec.output].whole:
            raise FileRefused(
                f"its channels in {quoted(self.layer)} are its classes; without them it has fewer answers."
            )
        layers = tuple(self.layers.values())
        weights = tuple(
            WeightSpec(name, str(place), array.shape, "<f4", None)
            for name, arrays in self.arrays.items()
            for place, array in enumerate(arrays)
        )
        spec = ModelSpec("keras", "", layers, self.model.spec.output, weights)
        return spec, self.arrays

    def of(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        """A layer without what is dead, and its output."""
        shape = self.shapes[layer.name]
        if layer.name == self.layer:
            return self.pruned(layer)
        owner = layer.again or layer.name
        now = tuple(map(bool, feeds[0].alive)) if feeds else ()
        if owner in self.arrays and self.cut.setdefault(owner, now) != now:
            raise FileRefused(
                f"layer {quoted(owner)} is used in several places, with pruned channels in one of them only."
            )
        if all(feed.whole for feed in feeds):
            return layer, Held(np.ones(shape[-1], bool), np.zeros(shape, "float32"))
        if layer.again and not feeds[0].whole and layer.kind in SUMMING:
            return self.again(layer), Held(np.ones(shape[-1], bool), np.zeros(shape, "float32"))
        for kinds, way in self.ways():
            if layer.kind in kinds:
                return way(layer, feeds)
        raise self.blocked(layer)

    def ways(self) -> list[tuple[Any, Callable[[LayerSpec, list[Held]], tuple[LayerSpec, Held]]]]:
        return [
            (SUMMING, self.summing),
            (("Flatten", "Reshape"), self.flat),
            (("Concatenate",), self.joined),
            (MERGING, self.merged),
            (ALONE, self.apart),
        ]

    def blocked(self, layer: LayerSpec, why: str = "mixes channels") -> FileRefused:
        return FileRefused(
            f"layer {quoted(layer.name)} ({layer.kind}) {why}, so that pruned channels cannot be left out."
        )

    def pruned(self, layer: LayerSpec) -> tuple[LayerSpec, Held]:
        """The pruned layer itself: its dead channels hold its activation of zero."""
        shape = self.shapes[layer.name]
        zeros = keras.ops.convert_to_tensor(np.zeros((1, *shape), "float32"))
        base = keras.ops.convert_to_numpy(keras.activations.get(layer.config["activation"])(zeros))[0]
        self.arrays[layer.name] = [array[..., self.alive] for array in self.arrays[layer.name]]
        config = {**layer.config, "filters": int(self.alive.sum())}
        return replaced(layer, config), Held(self.alive, base)

    def apart(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        """A layer that acts on each channel alone; what dead channels become, it says itself."""
        if layer.kind in ("Activation", "DepthwiseConv2D") and layer.config.get("activation") in MIXING:
            raise self.blocked(layer)
        alive, base = feeds[0]
        known = self.shapes[layer.name]
        after = np.repeat(alive, known[-1] // len(alive))
        held = self.arrays.get(layer.again or layer.name, [])
        whole = getattr(keras.layers, layer.kind)(**layer.config) if layer.kind not in OWN else None
        found = self.computed(layer, whole, self.model.arrays.get(layer.again or layer.name, []), base)
        if not layer.again:
            self.arrays |= {layer.name: [sliced(array, alive, after, layer) for array in held]} if held else {}
        config = dict(layer.config)
        for key in LISTS:
            if isinstance(config.get(key), list) and len(config[key]) == len(alive) > 1:
                config[key] = np.array(config[key])[alive].tolist()
        return replaced(layer, config), Held(after, np.where(after, np.float32(0), found))

    def computed(self, layer: LayerSpec, made: Any, weights: list[np.ndarray], base: np.ndarray) -> np.ndarray:
        """What a layer puts out for the base."""
        made = OPERATIONS[layer.kind]("base", **layer.config) if made is None else made
        batch = keras.ops.convert_to_tensor(base[None])
        output = made(batch) if layer.kind in OWN else made(batch, training=False) if trains(layer) else made(batch)
        if len(weights):
            made.set_weights(weights)
            output = made(batch, training=False) if trains(layer) else made(batch)
        found: np.ndarray = np.asarray(keras.ops.convert_to_numpy(output)[0], "float32")
        return found

    def flat(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        """Numbers in another shape: each stays dead or alive, and the dead have to lie in whole channels again."""
        alive, base = feeds[0]
        shape = self.shapes[layer.name]
        spread = np.broadcast_to(alive, base.shape).reshape(-1, shape[-1])
        if (spread != spread[:1]).any():
            raise self.blocked(layer, "puts channels in other places")
        after = spread[0].copy()
        config = dict(layer.config)
        if layer.kind == "Reshape":
            config["target_shape"] = [*shape[:-1], int(after.sum())]
        return replaced(layer, config), Held(after, base.reshape(shape))

    def joined(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        axis = layer.config["axis"]
        if axis not in (-1, len(self.shapes[layer.name])):
            return self.merged(layer, feeds)
        alive, base = (np.concatenate([feed[part] for feed in feeds], axis=-1) for part in (0, 1))
        return layer, Held(alive, base)

    def merged(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        """Tensors of one shape put together number by number: what is dead has to be dead in all of them."""
        alive = feeds[0].alive
        if any(len(feed.alive) != len(alive) or (feed.alive != alive).any() for feed in feeds):
            raise self.blocked(layer, "joins pruned channels to others")
        whole = getattr(keras.layers, layer.kind)(**layer.config)
        output = whole([keras.ops.convert_to_tensor(feed.base[None]) for feed in feeds])
        return layer, Held(alive, np.where(alive, np.float32(0), keras.ops.convert_to_numpy(output)[0]))

    def summing(self, layer: LayerSpec, feeds: list[Held]) -> tuple[LayerSpec, Held]:
        """A layer that sums over channels: its kernel without the dead ones, its bias with what they added."""
        alive, base = feeds[0]
        if layer.config.get("groups", 1) != 1:
            raise self.blocked(layer, "reads channels in groups")
        shape, owner = self.shapes[layer.name], layer.name
        whole = Held(np.ones(shape[-1], bool), np.zeros(shape, "float32"))
        before = self.arrays[owner]
        config = dict(layer.config)
        if not base.any():
            self.arrays[owner] = slices(layer, before, alive)
            return replaced(layer, config), whole
        if any(each.again == owner for each in self.model.spec.layers):
            raise self.blocked(layer, "is used in several places and is fed with pruned channels that are not zero")
        bias = before[-1].astype("float64") if config["use_bias"] else np.zeros(shape[-1])
        folded = (bias + self.added(layer, before, alive, base)).astype("float32")
        kernels = slices(layer, before[:-1] if config["use_bias"] else before, alive)
        self.arrays[owner] = [*kernels, folded]
        return replaced(layer, config | {"use_bias": True}), whole

    def again(self, layer: LayerSpec) -> LayerSpec:
        """A further use of a layer that lost a slice of its kernel already."""
        first = self.layers[layer.again]
        return replaced(layer, dict(first.config))

    def added(self, layer: LayerSpec, arrays: list[np.ndarray], alive: np.ndarray, base: np.ndarray) -> np.ndarray:
        """What dead channels add to each sum, (units,) float64. Raises FileRefused where that differs by position."""
        dead = base.astype("float64")[..., ~alive]
        if layer.kind == "Dense":
            sums = dead @ arrays[0].astype("float64")[~alive]
        elif layer.kind == "Conv2D" and layer.config["padding"] == "valid":
            flat = dead.reshape(-1, dead.shape[-1])
            if (flat != flat[:1]).any():
                raise self.blocked(layer, "reads pruned channels that hold other numbers at other places")
            sums = flat[:1] @ arrays[0].astype("float64")[..., ~alive, :].sum(axis=(0, 1))
        else:
            raise self.blocked(layer, "reads pruned channels that are not zero, and no bias can make up for them")
        flat = sums.reshape(-1, sums.shape[-1])
        if (flat != flat[:1]).any():
            raise self.blocked(layer, "reads pruned channels that hold other numbers at other places")
        found: np.ndarray = flat[0]
        return found


def trains(layer: LayerSpec) -> bool:
    """Whether a layer is another one while it is trained."""
    return layer.kind == "BatchNormalization" or layer.kind in DROPOUT[:-1]


def replaced(layer: LayerSpec, config: dict[str, Any]) -> LayerSpec:
    return LayerSpec(layer.name, layer.kind, config, layer.inputs, layer.again)


def sliced(array: np.ndarray, alive: np.ndarray, after: np.ndarray, layer: LayerSpec) -> np.ndarray:
    """An array of a layer that acts on each channel alone, for those that are alive: its last axis counts them."""
    if layer.kind == "DepthwiseConv2D":
        return array[:, :, alive] if array.ndim == 4 else array[after]
    return array[..., alive] if array.shape[-1] == len(alive) else array  # a PReLU may share one number


def slices(layer: LayerSpec, arrays: list[np.ndarray], alive: np.ndarray) -> list[np.ndarray]:
    """The arrays of a layer that sums over channels, without what reads dead ones."""
    kernel, *others = arrays
    if layer.kind == "Dense":
        return [kernel[alive], *others]
    if layer.kind == "Conv2DTranspose":
        return [kernel[..., alive], *others]
    if layer.kind == "SeparableConv2D":
        point, *rest = others
        return [kernel[:, :, alive], point[:, :, np.repeat(alive, kernel.shape[-1])], *rest]
    return [kernel[:, :, alive], *others]


def count(arrays: Mapping[str, list[np.ndarray]]) -> int:
    """Parameters of a network."""
    return sum(prod(array.shape) for held in arrays.values() for array in held)
