"""The self-check of what is handed in: each network holds what its row says, and answers as its row says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from engine.analysis.evaluate_files import BATCH, answers_model, described
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.architecture.description import ModelFile
from engine.architecture.graph import default_layer
from engine.file_safety.open_source import Source
from engine.network.build import build
from engine.network.features import SCALES
from engine.network.g_answers import g_answers
from engine.network.model_runner import Forward
from engine.network.pipeline import prefetch
from engine.sandbox.data_set import Dataset, open_dataset
from engine.sandbox.model_file import read_model

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """What the results say of a network: `network` is "B", "B′" or "B″"; `counts` are the hits by column of Counts
    that are shown, `pruned` the channels at zero. Of a B″ the other weights may differ from B's."""

    network: str
    path: Path
    pruned: tuple[int, ...]
    counts: Mapping[str, int]


def checked(
    claims: Sequence[Claim],
    files: Mapping[Path, Source],
    layer: str | None,
    sets: Mapping[p.SetName, Source],
    scale: Literal["1", "1/255"],
    note: Callable[[int], None],
    progress: Progress,
) -> list[p.NetworkCheck]:
    """Look at each network, B first; `layer`: the pruned one, None: the default.

    Raises Refused where one does not hold what is claimed.
    """
    models = [read_model(files[claim.path]) for claim in claims]
    pruned = layer or default_layer(models[0].spec)
    for claim, model in zip(claims[1:], models[1:], strict=True):
        refuse_other_weights(claim, models[0], model, pruned)
    networks = [build(model.spec, model.arrays) for model in models]
    shape, classes = described(networks[0])
    forwards = [Forward(answers_model(network, SCALES[scale]), 1, note) for network in networks]
    size = min(forward.fitting(BATCH) for forward in forwards)
    found: list[dict[str, tuple[int, int]]] = [{} for _ in claims]
    for name, source in sets.items():
        with closing(open_dataset(source, shape, classes)) as data:
            answers = list(zip(*answered(data, forwards, size, name, progress), strict=True))
            given = [np.concatenate(column) for column in answers]
            for at, own in enumerate(given):
                found[at] |= hits(name, data.labels, given[0], own, classes)
    return [compared(claim, counted) for claim, counted in zip(claims, found, strict=True)]


def answered(
    data: Dataset, forwards: Sequence[Forward], size: int, name: str, progress: Progress
) -> Iterator[list[np.ndarray]]:
    """The answers (n,) of each network to each batch of a set."""
    done = 0
    with prefetch(data.batches(size)) as batches:
        for batch in batches:
            yield [forward([batch])[0] for forward in forwards]
            done += len(batch)
            progress(name, done, data.images)


def hits(
    name: p.SetName, labels: np.ndarray, b: np.ndarray, own: np.ndarray, classes: int
) -> dict[str, tuple[int, int]]:
    """Images of a set that a network, and G of B and it, answer as each column of Counts has it; and of how many."""
    g, images = g_answers(b, own, classes), len(labels)
    right, flagged = int(np.count_nonzero(g == labels)), int(np.count_nonzero(g == classes))
    found = {str(name): (int(np.count_nonzero(own == labels)), images)}
    if name == "test":
        found |= {"g_test": (right, images), "false_alarms": (flagged, images)}
    elif name == "poisoned":
        found |= {"g_poisoned": (right, images), "detected": (flagged, images)}
    return found


def compared(claim: Claim, found: Mapping[str, tuple[int, int]]) -> p.NetworkCheck:
    """The figures of a network. Raises Refused where one is not what is claimed."""
    name = escape(claim.path.name, SHORT)
    for column, wanted in claim.counts.items():
        if column in found and found[column][0] != wanted:
            hits_, images = found[column]
            raise Refused(
                f"{name}: {column} is {hits_:,} of {images:,} images, the results say {wanted:,}. Nothing was written."
            )
    figures = tuple((column, *found[column]) for column in claim.counts if column in found)
    return p.NetworkCheck(claim.network, name, len(claim.pruned), figures)


def refuse_other_weights(claim: Claim, b: ModelFile, own: ModelFile, layer: str) -> None:
    """Raises Refused where other channels are at zero than claimed, or, of a B′, another number than B's is changed."""
    name = escape(claim.path.name, SHORT)
    if (b.spec.layers, b.spec.output) != (own.spec.layers, own.spec.output):
        raise Refused(f"{name}: is another network than B. Open the run: it is made again.")
    wanted = set(claim.pruned) | at_zero(b, layer)
    zero = at_zero(own, layer)
    if zero != wanted:
        more, less = sorted(zero - wanted), sorted(wanted - zero)
        told = [f"{what} {', '.join(map(str, each[:8]))}" for what, each in (("also", more), ("not", less)) if each]
        raise Refused(
            f"{name}: channels at zero in '{escape(layer, SHORT)}': {' and '.join(told)}; the results claim "
            f"{len(claim.pruned)}. Open the run: it is made again."
        )
    if claim.network != "B″" and (where := changed_elsewhere(b, own, layer, claim.pruned)):
        raise Refused(
            f"{name}: '{escape(where, SHORT)}' differs from B beyond pruned channels. Open the run: it is made again."
        )


def at_zero(model: ModelFile, layer: str) -> set[int]:
    """The channels of a layer whose every number is zero."""
    arrays = model.arrays[layer]
    return {
        channel for channel in range(arrays[0].shape[-1]) if not any(np.any(array[..., channel]) for array in arrays)
    }


def changed_elsewhere(b: ModelFile, own: ModelFile, layer: str, pruned: Sequence[int]) -> str:
    """The first layer with a number that is not B's, and is none of the pruned channels; empty where there is none."""
    for name, arrays in b.arrays.items():
        for before, after in zip(arrays, own.arrays[name], strict=True):
            expected = before.copy()
            if name == layer:
                expected[..., list(pruned)] = 0
            if not np.array_equal(expected, after):
                return name
    return ""
