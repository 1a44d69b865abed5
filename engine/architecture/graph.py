"""Questions about a network's graph, answered from its description alone."""

from collections import Counter
from math import prod

from engine.architecture.description import LayerSpec, ModelSpec
from engine.architecture.layers import CHANNELS_APART, MIXING
from engine.architecture.number_types import number_types
from engine.architecture.shapes import Shape, batched, output_shape
from engine.file_safety.limits import ALL_ACTIVATIONS, CLASSES
from engine.file_safety.refusal import FileRefused, quoted

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
MANY_CHANNELS = 512  # in the pruned layer: from here on its user is told how many steps there are
DROPOUT = (
    "Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise", "Identity",
)  # fmt: skip
POOLING = ("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D")


def output_shapes(layers: tuple[LayerSpec, ...]) -> dict[str, Shape]:
    """The output shape of every layer, without the batch axis. Raises FileRefused where layers do not fit together."""
    shapes: dict[str, Shape] = {}
    for layer in layers:
        feeds = [shapes[name] for name in layer.inputs]
        shapes[layer.name] = output_shape(layer.name, layer.kind, layer.config, feeds)
    return shapes


def check_classifier(layers: tuple[LayerSpec, ...], output: str) -> dict[str, Shape]:
    """The shapes of a network with an image input, a class output and a convolution. Raises FileRefused if it is none."""
    shapes = output_shapes(layers)
    total = sum(map(prod, shapes.values()))
    if total > ALL_ACTIVATIONS:
        raise FileRefused(f"puts out {total:,} numbers an image in all its layers, the limit is {ALL_ACTIVATIONS:,}.")
    if layers[:1] != tuple(layer for layer in layers if layer.kind == "InputLayer"):
        raise FileRefused("has an input that is not its own, expected one image input.")
    if not any(layer.kind in CONVOLUTIONS for layer in layers):
        raise FileRefused("has no convolution layer, so there are no channels to prune.")
    if len(shapes[output]) != 1 or (shapes[output][0] < 2 and not ends_in_sigmoid(layers, output)):
        raise FileRefused(f"gives outputs of shape {batched(shapes[output])}, expected (None, classes).")
    number_types(layers)
    if shapes[output][0] > CLASSES:
        raise FileRefused(f"knows {shapes[output][0]:,} classes, the limit is {CLASSES:,}.")
    return shapes


def ends_in_sigmoid(layers: tuple[LayerSpec, ...], output: str) -> bool:
    """Whether the output is one of a sigmoid, straight from a layer or through layers that do nothing in use."""
    held = {layer.name: layer for layer in layers}
    layer = held[output]
    while layer.kind in DROPOUT:
        layer = held[layer.inputs[0]]
    return bool(layer.config.get("activation") == "sigmoid")


def classes(shapes: dict[str, Shape], output: str) -> int:
    """How many classes a network knows: a single output tells two apart."""
    return max(2, shapes[output][0])


def output_notes(layers: tuple[LayerSpec, ...], output: str) -> tuple[str, ...]:
    """What to say of how answers are read from the output."""
    single = output_shapes(layers)[output] == (1,)
    return ("has one sigmoid output: class 1 where it is above 0.5, else class 0",) if single else ()


def prunable(spec: ModelSpec) -> dict[str, str | None]:
    """For each convolution, why its channels cannot be pruned; None: they can."""
    again = Counter(layer.again for layer in spec.layers)
    refusals = {layer.name: _refusal(layer) for layer in spec.layers if layer.kind in CONVOLUTIONS}
    return {name: f"is used {again[name] + 1} times" if again[name] else line for name, line in refusals.items()}


def default_layer(spec: ModelSpec) -> str:
    """The last convolution on every path from input to output, of those that can be pruned.

    Where skip connections leave none such, or only one with more of the network's convolutions behind it than up to it,
    the last that can be pruned. Raises FileRefused if there is none.
    """
    able = [name for name, refusal in prunable(spec).items() if refusal is None]
    if not able:
        raise FileRefused("has no convolution whose channels can be pruned.")
    shared = _on_every_path(spec)
    found = next((name for name in reversed(able) if name in shared), able[-1])
    return found if _in_second_half(spec, found) else able[-1]


def _in_second_half(spec: ModelSpec, name: str) -> bool:
    """Whether no more convolutions come after a convolution than up to it."""
    convolutions = [layer.name for layer in spec.layers if layer.kind in CONVOLUTIONS]
    return len(convolutions) <= 2 * (convolutions.index(name) + 1)


def channels_of(spec: ModelSpec, layer: str) -> int:
    """How many channels a convolution has that can be pruned."""
    return int(next(each for each in spec.layers if each.name == layer).config["filters"])


def steps_notes(layer: str, channels: int) -> tuple[str, ...]:
    """What to say of a layer with so many channels that a run takes long."""
    if channels <= MANY_CHANNELS:
        return ()
    return (f"{quoted(layer)} has {channels:,} channels: a whole run takes {channels:,} steps",)


def refuse_layer(spec: ModelSpec, name: str) -> None:
    """Raises FileRefused if the channels of the layer `name` cannot be pruned; the line lists those that can."""
    kinds = {layer.name: layer.kind for layer in spec.layers}
    able = ", ".join(quoted(layer) for layer, refusal in prunable(spec).items() if refusal is None) or "none"
    if name not in kinds:
        raise FileRefused(f"has no layer {quoted(name)}. Layers that can be pruned: {able}.")
    refusal = prunable(spec).get(name, f"is no convolution but a {kinds[name]}")
    if refusal is not None:
        raise FileRefused(f"layer {quoted(name)} cannot be pruned: it {refusal}. Layers that can: {able}.")


def ranking_feature(spec: ModelSpec, layer: str) -> str:
    """The last layer reached from `layer` by a chain of normalisation, activation, dropout and pooling layers."""
    return next((link.name for link in reversed(channel_chain(spec, layer))), layer)


def channel_chain(spec: ModelSpec, layer: str) -> list[LayerSpec]:
    """The normalisation, activation, dropout and pooling layers that follow `layer` and act on each channel alone.

    Each link is the only one that its forerunner feeds; a softmax mixes channels and ends the chain.
    """
    fed, chain = consumers(spec), []
    while len(fed[layer]) == 1 and _keeps_channels_apart(fed[layer][0]):
        chain.append(fed[layer][0])
        layer = chain[-1].name
    return chain


def consumers(spec: ModelSpec) -> dict[str, list[LayerSpec]]:
    """By layer name, the layers that its output feeds."""
    fed: dict[str, list[LayerSpec]] = {layer.name: [] for layer in spec.layers}
    for layer in spec.layers:
        for source in layer.inputs:
            fed[source].append(layer)
    return fed


def parameters(spec: ModelSpec) -> int:
    """How many numbers the network's weights hold."""
    return sum(prod(weight.shape) for weight in spec.weights)


def _refusal(layer: LayerSpec) -> str | None:
    if layer.again:
        return f"is a further use of {quoted(layer.again)}"
    if layer.kind == "DepthwiseConv2D":
        return "is depthwise: each channel has one input only"
    if layer.kind == "SeparableConv2D":
        return "is separable: two convolutions in one"
    if layer.kind == "Conv2DTranspose":
        return "is a transposed convolution"
    if layer.config["groups"] != 1:
        return f"is grouped ({layer.config['groups']} groups)"
    if layer.config["activation"] in MIXING:
        return f"ends in {layer.config['activation']}, which mixes the channels"
    return None


def _keeps_channels_apart(layer: LayerSpec) -> bool:
    if layer.kind == "Activation":
        return layer.config["activation"] not in MIXING
    return layer.kind in ("BatchNormalization", *CHANNELS_APART, *DROPOUT, *POOLING)


def _on_every_path(spec: ModelSpec) -> set[str]:
    """Layers that every path from input to output passes: those at which all open branches have come together."""
    fed = consumers(spec)
    places = {layer.name: index for index, layer in enumerate(spec.layers)}
    open_until, found = 0, set()
    for index, layer in enumerate(spec.layers):
        if index >= open_until:
            found.add(layer.name)
        open_until = max([open_until, *(places[consumer.name] for consumer in fed[layer.name])])
    return found
