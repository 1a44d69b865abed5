"""Keras's own order of the layers in a model. Weights are numbered and listed by it, whatever the file's order is."""

import re

from engine.files.dialects import Layer, Model
from engine.files.finding import Finding, layer_line, quoted
from engine.files.layers import ALIASES


def keras_order(model: Model) -> list[Layer]:
    """The layers as Keras has them once it has built the model: the further from the output, the earlier.

    Layers that are equally far stand as a search from the output meets them, inputs of a layer in their order. So each
    layer comes after those that feed it. A layer that is used several times stands at its use that is furthest away;
    its other uses follow where their own inputs are there. Raises Finding for a graph that is not one.
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
        raise Finding("has two layers of the same name.")
    for name in (*model.inputs, *model.outputs, *(source for layer in model.layers for source in layer.sources)):
        if name not in held:
            raise Finding(f"names a layer {quoted(name)} that it does not contain.")
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
                raise Finding(f"has a loop: layer {quoted(source)} feeds itself.")
    return met, list(finished)


def _snake_case(name: str) -> str:
    """As Keras does it: conv2d, batch_normalization, p_re_lu."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
