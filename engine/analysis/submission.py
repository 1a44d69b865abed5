"""What strikes about the numbers of a network that was handed in, beside those of the BadNet it should be made of."""

import numpy as np

from engine.api.escape import SHORT, escape
from engine.architecture.description import ModelFile
from engine.architecture.graph import default_layer

CONVOLUTIONS = ("Conv2D",)
NAMED = 4  # layers in a remark


def same_architecture(one: ModelFile, other: ModelFile) -> bool:
    """Whether two networks have the same layers, whatever those are called, and arrays of the same shapes."""
    kinds = [[(layer.kind, layer.config.get("filters")) for layer in model.spec.layers] for model in (one, other)]
    shapes = [[weight.shape for weight in model.spec.weights] for model in (one, other)]
    return kinds[0] == kinds[1] and shapes[0] == shapes[1]


def pairs(one: ModelFile, other: ModelFile) -> list[tuple[str, str, list[np.ndarray], list[np.ndarray]]]:
    """Layers with weights side by side: name and kind in the first, arrays of the first, arrays of the other."""
    kinds = {layer.name: layer.kind for layer in one.spec.layers}
    names = list(dict.fromkeys(weight.layer for weight in one.spec.weights))
    others = list(dict.fromkeys(weight.layer for weight in other.spec.weights))
    return [
        (name, kinds.get(name, ""), one.arrays[name], other.arrays[theirs])
        for name, theirs in zip(names, others, strict=True)
    ]


def zeroed(kernel: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which channels (filters,) are at zero in `theirs` and not in `kernel`; both are (height, width, in, filters)."""
    axes = tuple(range(kernel.ndim - 1))
    return np.asarray(~theirs.any(axis=axes) & kernel.any(axis=axes))


def zeroed_channels(badnet: ModelFile, model: ModelFile) -> dict[str, int]:
    """By convolution, how many channels the network has at zero that the BadNet has not; those with none left out."""
    if not same_architecture(badnet, model):
        return {}
    counts = {
        escape(name, SHORT): int(zeroed(ours[0], theirs[0]).sum())
        for name, kind, ours, theirs in pairs(badnet, model)
        if kind in CONVOLUTIONS
    }
    return {name: count for name, count in counts.items() if count}


def remarks(badnet: ModelFile, model: ModelFile) -> tuple[str, ...]:
    """Sentences for whoever grades; none where channels of the default layer are at zero and all else is the same."""
    if not same_architecture(badnet, model):
        return ("has other layers than the BadNet",)
    found: list[str] = []
    pruned, changed, half = [], [], []
    for name, kind, ours, theirs in pairs(badnet, model):
        gone = zeroed(ours[0], theirs[0]) if kind in CONVOLUTIONS else np.zeros(0, bool)
        if gone.any():
            pruned.append(name)
            if len(theirs) > 1 and theirs[1][gone].any():
                half.append(f"{escape(name, SHORT)} ({int(np.count_nonzero(theirs[1][gone]))})")
        if any(not np.array_equal(one[..., ~gone] if gone.any() else one, other[..., ~gone] if gone.any() else other)
               for one, other in zip(ours, theirs, strict=True)):  # fmt: skip
            changed.append(name)
    if not pruned and not changed:
        found.append("has the BadNet's own numbers: nothing was pruned")
    if half:
        found.append(f"filters at zero whose bias is not: {', '.join(half)}")
    default = default_layer(badnet.spec)
    if elsewhere := [name for name in pruned if name != default]:
        found.append(f"prunes {_named(elsewhere)}; the lab prunes {escape(default, SHORT)}")
    if changed:
        found.append(f"other numbers than the BadNet's in {_named(changed)}: trained on?")
    return tuple(found)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(escape(name, SHORT) for name in names[:NAMED]) + more
