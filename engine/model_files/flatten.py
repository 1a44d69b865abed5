"""A Keras model configuration, of any writer, as one flat list of checked layers, in Keras's own order.

Weights are numbered and listed by that order, whatever the file's order is. Nothing here makes a Keras object.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from engine.architecture.description import LayerSpec
from engine.architecture.layers import ALIASES, FUSED, INPUT_TYPES, LAYERS, RENAMED, SINCE, TRAINING_ONLY, checked
from engine.file_safety.refusal import FileRefused, layer_line, quoted
from engine.model_files.keras_config import Layer, Model, read_model_config, unsafe
from engine.model_files.keras_rules import refuse_odd


def keras_order(model: Model) -> list[Layer]:
    """The layers as Keras has them once it has built the model: the further from the output, the earlier.

    Layers that are equally far stand as a search from the output meets them, inputs of a layer in their order. So each
    layer comes after those that feed it. A layer that is used several times stands at its use that is furthest away;
    its other uses follow where their own inputs are there. Raises FileRefused for a graph that is not one.
    """
    held = _by_name(model)
    if model.kind == "Sequential":
        return model.layers
    met, finished = _search(model, held)
    distance = dict.fromkeys(met, 0)
    furthest: dict[str, int] = {}
    for name in reversed(finished):
        own_name = held[name].own_name
        furthest[own_name] = distance[name] = max(distance[name], furthest.get(own_name, 0))
        for source in held[name].sources:
            distance[source] = max(distance[source], distance[name] + 1)
    for layer in model.layers:
        if layer.name not in distance and layer.name not in model.inputs:
            raise layer_line(layer.name, layer.kind, "does not lead to the output.")
    unused = [held[name] for name in model.inputs if name not in distance]
    first_met: dict[str, int] = {}
    for name, place in met.items():
        first_met.setdefault(held[name].own_name, place)

    def place_of(name: str) -> tuple[int, int, int]:
        return -distance[name], first_met[held[name].own_name], met[name]

    return [held[name] for name in sorted(met, key=place_of)] + unused


def steps(layers: list[Layer]) -> dict[str, tuple[str, int]]:
    """By name: a layer's class in snake case, and its number among those of its class."""
    seen: dict[str, int] = {}
    found: dict[str, tuple[str, int]] = {}
    for layer in layers:
        if layer.own_name in found:
            continue
        word = _snake_case("Functional" if layer.kind == "Model" else ALIASES.get(layer.kind, layer.kind))
        seen[word] = seen.get(word, -1) + 1
        found[layer.own_name] = word, seen[word]
    return found


def _by_name(model: Model) -> dict[str, Layer]:
    held = {layer.name: layer for layer in model.layers}
    if len(held) != len(model.layers):
        raise FileRefused("has two layers of the same name.")
    for name in (*model.inputs, *model.outputs, *(source for layer in model.layers for source in layer.sources)):
        if name not in held:
            raise FileRefused(f"names a layer {quoted(name)} that it does not contain.")
    for name in model.inputs:
        if held[name].kind != "InputLayer":
            raise layer_line(name, held[name].kind, "is named as the input, expected an input layer.")
    return held


def _search(model: Model, held: dict[str, Layer]) -> tuple[dict[str, int], list[str]]:
    """The layers that lead to the output: when each is met, depth first, and all in the order they are finished."""
    met: dict[str, int] = {}
    finished: dict[str, None] = {}
    for output in model.outputs:
        open_layers = [(output, iter(held[output].sources))] if output not in met else []
        met.setdefault(output, len(met))
        while open_layers:
            name, rest = open_layers[-1]
            source = next(rest, None)
            if source is None:
                finished[name] = None
                open_layers.pop()
            elif source not in met:
                met[source] = len(met)
                open_layers.append((source, iter(held[source].sources)))
            elif source not in finished:
                raise FileRefused(f"has a loop: layer {quoted(source)} feeds itself.")
    return met, list(finished)


def _snake_case(name: str) -> str:
    """As Keras does it: conv2d, batch_normalization, p_re_lu."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


MIXED = ("mixed_float16", "mixed_bfloat16")
POLICIES: Mapping[str, tuple[str, ...]] = {  # how a number type is written, and with what beside its name
    "DTypePolicy": (),
    "FloatDTypePolicy": (),
    "Policy": ("loss_scale",),
    "PolicyV1": ("loss_scale",),
}


class Place(NamedTuple):
    """Where in its file a layer is found.

    `home` is the path of the models inside each other that lead to it, its own name last. `trail` is the same as a
    `.keras` file has it: classes in snake case, each with a number, 0 for the first of its class in its model.
    `frozen`: Keras lists none of its weights as trainable.
    """

    home: tuple[str, ...] = ()
    trail: tuple[tuple[str, int], ...] = ()
    frozen: bool = False

    def inside(self, name: str, step: tuple[str, int], frozen: bool) -> "Place":
        return Place((*self.home, name), (*self.trail, step), self.frozen or frozen)

    @property
    def name(self) -> str:
        return "/".join(self.home)


class Node(msgspec.Struct):
    """A layer of the flat graph, and where Keras keeps its weights."""

    spec: LayerSpec
    place: Place


class Architecture(msgspec.Struct):
    """Checked layers in topological order, the input layer first, the name of the last, and what to say of them.

    `said`: by the name of a layer, or of one that feeds, which shapes the file says that Keras will find there.
    """

    nodes: list[Node]
    output: str
    said: list["Said"]
    notes: tuple[str, ...] = ()


class Said(NamedTuple):
    """What a file says of the outputs of `feeds` where they enter the layer `name`. In a shape, None stands for any."""

    name: str
    kind: str
    feeds: tuple[str, ...]
    shapes: list[list[Any]]


def read_architecture(config: Any, writer: str) -> Architecture:
    """The layers of a decoded `model_config` written by Keras version `writer`.

    Models inside the model are laid into the one graph; their layers are called `outer/inner`.
    Raises FileRefused for what is not a plain classifier with one input and one output made of listed layers.
    """
    model = read_model_config(config)
    _refuse_many(model.inputs, "input", "image input")
    _refuse_many(model.outputs, "output", "class output")
    flat = _Flat(_version(writer))
    built = refuse_odd(config, flat.version >= (3, 0))
    output = flat.lay(model, [], Place())
    nodes = _used(flat.nodes, output)
    layers = [node.spec for node in nodes if node.spec.name in built]
    said = [Said(spec.name, spec.kind, spec.inputs, built[spec.name]) for spec in layers]
    return Architecture(nodes, output, said + flat.said, tuple(flat.notes))


def _version(writer: str) -> tuple[int, int]:
    """Major and minor version of a writer; of an unknown one the oldest."""
    found = re.match(r"(\d+)\.(\d+)", writer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def entry(layer: Layer, model: str, feed: str) -> Said:
    """What the input layer of a model inside the model says of its images; Keras casts and squeezes them to that."""
    name = f"{model}/{layer.name}"
    _refuse_layout(name, layer.kind, layer.config, inner=True)
    for key in ("sparse", "ragged"):
        if layer.config.get(key) not in (None, False):
            raise layer_line(name, layer.kind, f"has {key}={quoted(layer.config[key])}, outside the allowed values.")
    shapes = [layer.config[key] for key in ("batch_shape", "batch_input_shape") if layer.config.get(key) is not None]
    if not all(isinstance(shape, list) and shape == shapes[0] for shape in shapes):
        raise layer_line(name, layer.kind, f"takes input of shape {quoted(shapes)}, expected one shape.")
    if not shapes and "name" in layer.config:  # else a Sequential model that was told no shape
        raise layer_line(name, layer.kind, "has no input shape.")
    if shapes and len(shapes[0]) > 1 and shapes[0][-1] is None:  # Keras builds the layers behind it on that alone
        raise layer_line(name, layer.kind, f"takes input of shape {quoted(shapes[0])}, expected a number of channels.")
    return Said(name, layer.kind, (feed,), [shapes[0][1:]] if shapes else [])


def refuse_misfit(said: list[Said], shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises FileRefused where a file says another shape, of the same rank or not, than its layers give."""
    for name, kind, feeds, expected in said:
        for shape, feed in zip(expected, feeds, strict=False):
            found = shapes[feed]
            if len(shape) != len(found) or any(
                one not in (None, other) for one, other in zip(shape, found, strict=True)
            ):
                shown = quoted([None, *shape])
                raise layer_line(
                    name, kind, f"expects input of shape {shown}, and is fed with {quoted((None, *found))}."
                )


def _refuse_many(names: list[str], what: str, expected: str) -> None:
    if len(names) != 1:
        listed = ", ".join(quoted(name) for name in names[:8])
        raise FileRefused(f"has {len(names)} {what}s ({listed}), expected one {expected}.")


class _Flat:
    """Lays models into one list of nodes."""

    def __init__(self, version: tuple[int, int]) -> None:
        self.version = version
        self.nodes: list[Node] = []
        self.names: set[str] = set()
        self.said: list[Said] = []
        self.notes: dict[str, None] = {}

    def lay(self, model: Model, feeds: list[str], place: Place) -> str:
        """Add a model that `feeds` feed (none: its own input layers do). Gives the flat name of its output."""
        if feeds and len(feeds) != len(model.inputs):
            raise FileRefused(
                f"has a model {quoted(place.name)} with {len(model.inputs)} inputs, fed with {len(feeds)}."
            )
        outputs: dict[str, str] = dict(zip(model.inputs, feeds, strict=False))
        self.said += [entry(layer, place.name, outputs[layer.name]) for layer in model.layers if layer.name in outputs]
        ordered = keras_order(model)
        trail = steps(ordered)
        uses: Counter[str] = Counter()
        frozen = len(place.home) == 1 and model.frozen  # Keras asks a model for its weights only at the top
        for layer in ordered:
            if layer.name in outputs:
                continue
            sources = [outputs[source] for source in layer.sources]
            inner = place.inside(layer.own_name, trail[layer.own_name], frozen)
            if layer.model is None:
                uses[layer.own_name] += 1
                outputs[layer.name] = self.put(layer, sources, inner, uses[layer.own_name])
            else:
                _refuse_many(layer.model.outputs, "output", "output")
                outputs[layer.name] = self.lay(layer.model, sources, inner)
        return outputs[model.outputs[0]]

    def put(self, layer: Layer, feeds: list[str], place: Place, use: int = 1) -> str:
        """Check a layer and add it; an activation layer inside it becomes a layer of its own behind it.

        From its second use on, a layer has the number of the use in its name.
        """
        config = layer.config
        place = place._replace(frozen=place.frozen or config.get("trainable") is False)
        inner = config.get("activation")
        if not isinstance(inner, dict):
            return self.add(place.name, layer.kind, config, feeds, place, use)
        if inner.get("class_name") not in FUSED or not isinstance(inner.get("config"), dict):
            raise layer_line(place.name, layer.kind, f"has activation={quoted(inner)}, outside the allowed values.")
        own = self.add(place.name, layer.kind, {**config, "activation": "linear"}, feeds, place, use)
        return self.add(f"{place.name}/activation", inner["class_name"], inner["config"], [own], place, use)

    def add(self, first: str, kind: str, config: dict[str, Any], feeds: list[str], place: Place, use: int) -> str:
        name = first if use == 1 else f"{first} (use {use})"
        if name in self.names:
            raise FileRefused(f"has two layers named {quoted(name)}.")
        self.names.add(name)
        known = "Identity" if kind in TRAINING_ONLY else RENAMED.get(kind, kind)
        if known not in LAYERS:
            raise unsafe(name, kind)
        self.notes.update(_half_precision(config))
        _refuse_layout(name, known, config)
        settings = {} if known == "Identity" else checked(name, known, _with_shape(name, known, config))
        for value in settings.values():
            if isinstance(value, str) and self.version < SINCE.get(value, (0, 0)):
                raise layer_line(name, known, f"uses {quoted(value)}, which newer versions of Keras compute otherwise.")
        again = first if use > 1 else ""
        self.nodes.append(Node(LayerSpec(name, known, settings, tuple(feeds), again), place))
        return name


def _refuse_layout(name: str, kind: str, config: dict[str, Any], inner: bool = False) -> None:
    """Channels last and single precision, for every layer. The one that takes the images may take other numbers; not
    so the input of a model inside the model (`inner`), to which Keras would cast what comes."""
    if config.get("data_format") == "channels_first":
        raise FileRefused("is channels_first; only channels_last models are supported.")
    if config.get("data_format") not in (None, "channels_last"):
        raise layer_line(name, kind, f"has data_format={quoted(config['data_format'])}, outside the allowed values.")
    types = INPUT_TYPES if kind == "InputLayer" and not inner else ("float32", *MIXED)
    for key in ("dtype", "input_dtype"):
        policy = config.get(key)
        if kind != "Cast" and policy is not None and _policy(policy) not in types:
            raise layer_line(name, kind, f"has {key}={quoted(_policy(policy))}, outside the allowed values.")


def _policy(written: Any) -> Any:
    """The name of a number type or policy, which Keras also writes as an object."""
    if not isinstance(written, dict) or written.get("class_name") not in POLICIES:
        return written
    config = written.get("config")
    if not isinstance(config, dict) or not set(config) <= {"name", *POLICIES[written["class_name"]]}:
        return written
    return config.get("name", written)


def _half_precision(config: dict[str, Any]) -> dict[str, None]:
    """What to say of a layer that Keras computes in half precision: its weights are float32, and so is what we do."""
    policy = _policy(config.get("dtype"))
    if policy not in MIXED:
        return {}
    return {f"was trained in {policy}; computed in float32 here, so close calls may differ from Keras's own": None}


def _with_shape(name: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """An input layer's settings with the image shape, which every Keras writes in another place."""
    if kind != "InputLayer":
        return config
    written = [config[key] for key in ("batch_shape", "batch_input_shape") if config.get(key)]
    if len(written) > 1 and written[0] != written[1]:
        raise layer_line(name, kind, "has both batch_shape and batch_input_shape, and they differ.")
    batch = written[0] if written else None
    if batch is None:
        raise FileRefused(
            "has no input shape: it was saved before it was built. Call it on an image, then save it again."
        )
    if not isinstance(batch, list) or len(batch) != 4 or None in batch[1:]:
        raise FileRefused(
            f"takes input of shape {quoted(batch)}, expected images of one size (None, height, width, 3)."
        )
    return {**config, "shape": batch[1:], "dtype": _policy(config.get("dtype")) or "float32"}


def _used(nodes: list[Node], output: str) -> list[Node]:
    """The nodes, all of which must lead to the output."""
    wanted = {output}
    for node in reversed(nodes):
        if node.spec.name not in wanted:
            raise layer_line(node.spec.name, node.spec.kind, "does not lead to the output.")
        wanted.update(node.spec.inputs)
    return nodes
