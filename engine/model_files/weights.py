"""Where a model file keeps each weight, found by Keras's own rules and checked against the architecture.

B' is B's own bytes with some weights at zero. Weights that lie within one another, or within what describes them, would
change something else too: such a file is refused. Runs in the inspector only.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise, zip_longest
from math import prod
from typing import Any

import h5py
from h5py import h5o

from engine.api.escape import SHORT, escape
from engine.architecture.shapes import Shape
from engine.architecture.weight_shapes import needed_weights
from engine.file_safety.hdf5 import child, descend, has_attribute, names_attribute, reading
from engine.file_safety.limits import WEIGHT_BYTES, amount
from engine.file_safety.refusal import FileRefused, layer_line, quoted
from engine.file_safety.storage import check_storage, file_offset
from engine.model_files.flatten import Node
from engine.model_files.keras_zip import Span

Held = tuple[Node, str, h5py.Dataset]  # a layer, the name of one of its weights, and its numbers
MOVED = ("gamma", "beta", "moving_mean", "moving_variance")  # of one shape: their names tell them apart


def h5_weights(root: h5py.Group, nodes: list[Node], feeds: dict[str, Shape]) -> list[Held]:
    """The weights of a `.h5` file. `root` holds a group for each top-level layer, with its `weight_names`.

    Keras goes by the places in `layer_names`, whatever the groups are called: here place and name must agree.
    The weights of a model inside the model lie in one group: trainable ones first, then all others.
    """
    found: list[Held] = []
    tops = []
    nodes = _own(nodes)
    for node in nodes:
        inner = len(node.place.home) > 1
        if inner and node.spec.kind == "Normalization" and node.spec.config["mean"] is None:
            text = "has learned its numbers, which Keras 3 does not use in inner models of .h5. Save it as .keras."
            raise layer_line(node.spec.name, node.spec.kind, text)
    for top, members in groupby(nodes, key=lambda node: node.place.home[0]):
        needed = [(node, *item) for node in members for item in _needed(node, feeds[node.spec.name])]
        found += _group_weights(root, top, sorted(needed, key=lambda item: not item[3]))
        tops += [top] if needed else []
    _refuse_listed(root, tops)
    return [place for node in nodes for place in found if place[0] is node]


def _own(nodes: list[Node]) -> list[Node]:
    """The nodes that have weights of their own, if any: not those of layers used again."""
    return [node for node in nodes if not node.spec.again]


def _refuse_listed(root: h5py.Group, tops: list[str]) -> None:
    """That `layer_names` lists exactly the layers with weights, in Keras's order; those without do not count."""
    names = names_attribute(root, "layer_names")
    if names is None:
        raise FileRefused("has no 'layer_names', by which Keras finds weights. The model was damaged; save it again.")
    listed = [name for name in names if _weight_names(root, name)]
    if child(root, "top_level_model_weights") is not None and _weight_names(root, "top_level_model_weights"):
        raise FileRefused("lists weights of the model itself beside those of its layers, where Keras expects none.")
    for place, (found, wanted) in enumerate(zip_longest(listed, tops)):
        if found != wanted:
            shown = [quoted(name) if name is not None else "nothing" for name in (found, wanted)]
            raise FileRefused(f"lists weights of {shown[0]} in place {place}, where Keras expects {shown[1]}.")


def _weight_names(root: h5py.Group, top: str) -> list[str]:
    """What a layer's group lists."""
    group = descend(root, top.split("/"))
    if not isinstance(group, h5py.Group):
        raise FileRefused(
            f"lists the layer {quoted(top)}, of which it has no group. The model was damaged; save it again."
        )
    names = names_attribute(group, "weight_names")
    if names is None:  # Keras writes an empty list for a layer without weights
        raise FileRefused(f"has no list of the weights of {quoted(top)}. The model was damaged; save it again.")
    return names


def _needed(node: Node, shape: Shape) -> list[tuple[str, Shape | None, bool]]:
    """Name, shape and whether Keras counts it as trainable, of each weight of a layer."""
    if node.spec.kind == "Normalization" and node.spec.config["mean"] is None:
        size = (shape[-1],) if node.spec.config["axis"] is not None else ()
        return [("mean", size, False), ("variance", size, False), ("count", None, False)]
    own, others = needed_weights(node.spec.kind, node.spec.config, shape)
    return [
        *((name, size, not node.place.frozen) for name, size in own),
        *((name, size, False) for name, size in others),
    ]


def _group_weights(root: h5py.Group, top: str, needed: list[tuple[Node, str, Shape | None, bool]]) -> list[Held]:
    if not needed:
        return []
    kind = needed[0][0].spec.kind
    group = descend(root, top.split("/"))
    if not isinstance(group, h5py.Group):
        raise layer_line(top, kind, f"has 0 weight arrays, expected {len(needed)}.")
    names = names_attribute(group, "weight_names") or []
    if len(names) != len(needed):
        raise layer_line(top, kind, f"has {len(names)} weight arrays, expected {len(needed)}.")
    found = []
    for name, (node, weight, shape, _) in zip(names, needed, strict=True):
        _refuse_swapped(node, weight, name)
        found.append((node, weight, _fitting(node, weight, descend(group, name.split("/")), shape)))
    return found


def keras_weights(root: h5py.Group, nodes: list[Node], feeds: dict[str, Shape]) -> list[Held]:
    """The weights of a `.keras` file: layers/CLASS_NUMBER/vars/0, 1, ... and so on inside models."""
    found: list[Held] = []
    old = child(root, "layers") is None
    if not old:
        _refuse_own(root, nodes)
    for node in _own(nodes):
        needed = _needed(node, feeds[node.spec.name])
        inside = node.spec.name != node.place.name  # an activation that lies inside another layer
        if not needed and (old or inside):
            continue
        if old:
            _refuse_renumbered(root, node)
        group = descend(root, [*_steps(node, old), "vars"])
        with reading():
            count = len(group) if isinstance(group, h5py.Group) else 0
        if count != len(needed):
            raise layer_line(node.spec.name, node.spec.kind, f"has {count} weight arrays, expected {len(needed)}.")
        for index, (weight, shape, _) in enumerate(needed):
            found.append((node, weight, _fitting(node, weight, child(group, str(index)), shape)))
            if has_attribute(found[-1][2], "dtype"):
                raise layer_line(node.spec.name, node.spec.kind, f"has a {weight} of type bfloat16, expected float32.")
    return found


def _refuse_own(root: h5py.Group, nodes: list[Node]) -> None:
    """That no model and no input layer of one has weights of its own, where Keras expects none."""
    models = {node.place.trail[:depth] for node in nodes for depth in range(len(node.place.trail))}
    for trail in models:
        steps = [step for word, number in trail for step in ("layers", f"{word}_{number}" if number else word)]
        for own in (steps, [*steps, "layers", "input_layer"]):
            group = descend(root, [*own, "vars"])
            with reading():
                empty = not isinstance(group, h5py.Group) or len(group) == 0
            if not empty:
                raise FileRefused(f"has weights in {quoted('/'.join(own) or '/')}, where Keras expects none.")


def _refuse_renumbered(root: h5py.Group, node: Node) -> None:
    """What newer versions of Keras would read in the place of a layer that Keras 2.12 or 2.13 numbered."""
    steps = list(_steps(node, True))
    for index, (word, number) in enumerate(node.place.trail):
        if number % 2 and descend(root, [*steps[: 2 * index + 1], f"{word}_{number}"]) is not None:
            raise layer_line(node.spec.name, node.spec.kind, "has its weights in two places.")


def _steps(node: Node, old: bool) -> Iterator[str]:
    """The path to a layer's weights. Keras 2.12 and 2.13 had another word and counted layers with weights twice."""
    for word, number in node.place.trail:
        yield "_layer_checkpoint_dependencies" if old else "layers"
        count = 2 * number if old else number
        yield f"{word}_{count}" if count else word


def _fitting(node: Node, weight: str, data: Any, shape: Shape | None) -> h5py.Dataset:
    """`data`, if it is a data set of floats of the shape that the architecture asks for."""
    name, kind = node.spec.name, node.spec.kind
    if data is None:
        raise layer_line(name, kind, f"has no {weight} where its weights should be.")
    try:
        data = check_storage(weight, data, WEIGHT_BYTES, "float32")
    except FileRefused as finding:
        raise FileRefused(f"layer {quoted(name)} ({escape(kind, SHORT)}): {finding}") from finding
    if shape is not None and data.shape != shape:
        raise layer_line(name, kind, f"has a {weight} of shape {_shown(data.shape)}, expected {_shown(shape)}.")
    if shape is not None and data.dtype.kind != "f":
        raise layer_line(name, kind, f"has a {weight} of type {data.dtype}, expected float32.")
    return data


def _shown(shape: Iterable[int]) -> str:
    return f"({','.join(map(str, shape))})"


def _refuse_swapped(node: Node, weight: str, path: str) -> None:
    """Weights of one shape that lie in another order than Keras's would go unnoticed."""
    written = path.rpartition("/")[2].partition(":")[0]
    if weight in MOVED and written in MOVED and weight != written:
        raise layer_line(node.spec.name, node.spec.kind, f"has its {written} where its {weight} should be.")


MIXED = "is damaged: its weights lie in the middle of what describes them. Copy or download it again."


def check_total(places: list[Held]) -> None:
    """All weights together within the limit, no two in one place of the file."""
    total = sum(4 * prod(data.shape) for _, _, data in places)
    if total > WEIGHT_BYTES:
        raise FileRefused(f"has {amount(total)} of weights, the limit is {amount(WEIGHT_BYTES)}.")
    overlap = any(end > start for (_, end), (start, _) in pairwise(sorted(stretches(places))))
    if overlap or len({h5o.get_info(data.id).addr for _, _, data in places}) != len(places):
        raise FileRefused("is damaged: two of its weights lie in one place.")


def stretches(places: list[Held]) -> list[tuple[int, int]]:
    """From where to where in the file each weight lies that is stored in one piece."""
    starts = [(file_offset(data), data) for _, _, data in places]
    return [(start, start + data.size * data.dtype.itemsize) for start, data in starts if start is not None]


class Blanked(Span):
    """A file in which stretches read as zeros."""

    def __init__(self, descriptor: int, start: int, size: int, blank: list[tuple[int, int]]) -> None:
        super().__init__(descriptor, start, size)
        self._blank = blank

    def readinto(self, buffer: Any) -> int:
        first = self.seek(0, os.SEEK_CUR)
        got = super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        for start, end in self._blank:
            low, high = max(start - first, 0), min(end - first, got)
            if low < high:
                view[low:high] = bytes(high - low)
        return got
