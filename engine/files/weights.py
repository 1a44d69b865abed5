"""Where a model file keeps each weight, found by Keras's own rules and checked against the architecture."""

from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from math import prod
from typing import Any

import h5py
import numpy as np

from engine.files.architecture import Node
from engine.files.attributes import has_attribute, names_attribute
from engine.files.finding import Finding, layer_line, quoted
from engine.files.hdf5 import child, descend, reading
from engine.files.limits import PIECE_BYTES, WEIGHT_BYTES, amount
from engine.files.needs import needed_weights
from engine.files.step import Shape
from engine.files.storage import check_storage

Held = tuple[Node, str, h5py.Dataset]  # a layer, the name of one of its weights, and its numbers
MOVED = ("gamma", "beta", "moving_mean", "moving_variance")  # of one shape: their names tell them apart


def h5_weights(root: h5py.Group, nodes: list[Node], feeds: dict[str, Shape]) -> list[Held]:
    """The weights of a `.h5` file. `root` holds a group for each top-level layer, with its `weight_names`.

    Keras goes by the places in `layer_names`, whatever the groups are called: here place and name must agree.
    The weights of a model inside the model lie in one group: trainable ones first, then all others.
    """
    found: list[Held] = []
    tops = []
    for top, members in groupby(nodes, key=lambda node: node.place.home[0]):
        needed = [(node, *item) for node in members for item in _needed(node, feeds[node.spec.name])]
        found += _group_weights(root, top, sorted(needed, key=lambda item: not item[3]))
        tops += [top] if needed else []
    _refuse_listed(root, tops)
    return [place for node in nodes for place in found if place[0] is node]


def _refuse_listed(root: h5py.Group, tops: list[str]) -> None:
    """That `layer_names` lists exactly the layers with weights, in Keras's order; those without do not count."""
    names = names_attribute(root, "layer_names")
    if names is None:
        raise Finding("has no 'layer_names', by which Keras finds weights. The model was damaged; save it again.")
    listed = [name for name in names if _weight_names(root, name)]
    for place, (found, wanted) in enumerate(zip_longest(listed, tops)):
        if found != wanted:
            shown = [quoted(name) if name is not None else "nothing" for name in (found, wanted)]
            raise Finding(f"lists weights of {shown[0]} in place {place}, where Keras expects {shown[1]}.")


def _weight_names(root: h5py.Group, top: str) -> list[str]:
    """What a layer's group lists; nothing if there is no such group."""
    group = descend(root, top.split("/"))
    return (names_attribute(group, "weight_names") or []) if isinstance(group, h5py.Group) else []


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
    for node in nodes:
        needed = _needed(node, feeds[node.spec.name])
        if not needed:
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
    data = check_storage(weight, data, WEIGHT_BYTES)
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


def check_total(places: list[Held]) -> None:
    """All weights together within the limit, no two in one place of the file."""
    total = sum(4 * prod(data.shape) for _, _, data in places)
    if total > WEIGHT_BYTES:
        raise Finding(f"has {amount(total)} of weights, the limit is {amount(WEIGHT_BYTES)}.")
    if len({data.id.get_offset() or -index for index, (_, _, data) in enumerate(places, 1)}) != len(places):
        raise Finding("is damaged: two of its weights lie in one place.")


def read_weight(held: Held) -> np.ndarray:
    """The numbers of one weight as float32, all finite."""
    return np.concatenate(list(pieces(held))).reshape(held[2].shape)


def pieces(held: Held) -> Iterator[np.ndarray]:
    """The same as flat pieces, so that a large weight never lies in memory as a whole.

    Raises Finding at the end if there were numbers that are not finite.
    """
    node, weight, data = held
    bad, what = 0, "infinite numbers"
    for values in _parts(data, ()):
        with np.errstate(over="ignore", invalid="ignore"):
            piece = np.ascontiguousarray(values, np.float32).reshape(-1)
        finite = np.count_nonzero(np.isfinite(piece))
        if finite < piece.size:
            bad += piece.size - int(finite)
            what = "NaN" if np.isnan(piece).any() else what
        yield piece
    if bad:
        raise layer_line(
            node.spec.name,
            node.spec.kind,
            f"has a {weight} that contains {what} ({bad} of {data.size}). The model was damaged or training diverged.",
        )


def _parts(data: h5py.Dataset, lead: tuple[int, ...]) -> Iterator[Any]:
    """Parts of a data set, in order, none much larger than PIECE_BYTES. `lead`: indices of its first axes."""
    shape = data.shape[len(lead) :]
    size = prod(shape) * data.dtype.itemsize
    row = size // shape[0] if shape and shape[0] else 0
    if size <= PIECE_BYTES or not shape:
        with reading():
            yield data[lead]
    elif row > PIECE_BYTES:
        for index in range(shape[0]):
            yield from _parts(data, (*lead, index))
    else:
        step = PIECE_BYTES // row
        for start in range(0, shape[0], step):
            with reading():
                yield data[(*lead, slice(start, start + step))]
