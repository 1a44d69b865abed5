"""The whole network on whole files: the lab's eval.py, for a network or for G made of two."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine.analysis.trigger import find_trigger
from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.progress import Check, never_stop
from engine.api.protocol import Evaluate, Evaluated, TriggerRegion
from engine.network.build import Network, build, wire
from engine.network.features import SCALES, with_pixels
from engine.network.g_answers import g_answers
from engine.network.graph_operations import answers
from engine.network.model_runner import Forward
from engine.network.pipeline import prefetch
from engine.sandbox.data_set import Dataset, open_dataset
from engine.sandbox.model_file import read_model

BATCH = 512


def answers_model(network: Network, scale: float) -> Any:
    """A model from images as the lab stores them (n, C, H, W) to answers (n,)."""
    images, pixels = with_pixels(network, scale)
    scores = wire(network.spec, network.layers, {network.spec.layers[0].name: pixels}, [network.spec.output])
    return keras.Model([images], answers(scores[network.spec.output]))


def evaluate(
    command: Evaluate,
    note: Callable[[int], None],
    progress: Callable[[str, int, int], None],
    check: Check = never_stop,
) -> Evaluated:
    """Hits of MODEL on a clean and a poisoned file, or of G: both of a badnet and MODEL, else "backdoored"."""
    with ExitStack() as used:
        return _evaluated(command, note, progress, check, used)


def _evaluated(
    command: Evaluate,
    note: Callable[[int], None],
    progress: Callable[[str, int, int], None],
    check: Check,
    used: ExitStack,
) -> Evaluated:
    """As `evaluate`; `used` gets the data sets, which the trigger is looked for in once they are answered."""
    files = [Path(name) for name in (command.model, command.badnet) if name]
    networks = [build(model.spec, model.arrays) for model in map(read_model, files)]
    shape, classes = described(networks[0])
    if len(networks) > 1 and described(networks[1]) != (shape, classes):
        raise Refused(f"{escape(files[1].name, 48)}: has other images or classes than {escape(files[0].name, 48)}.")
    forwards = [Forward(answers_model(network, SCALES[command.scale]), 1, note) for network in networks]
    size = min(forward.fitting(min(command.batch_size, BATCH)) for forward in forwards)
    found, columns = [], []
    for name, path in (("clean", command.clean), ("poisoned", command.poisoned)):
        data = used.enter_context(closing(open_dataset(Path(path), shape, classes)))
        with closing(counting(data, size, name, progress)) as batches:
            parts = [[forward([batch])[0] for forward in forwards] for batch in batches]
        given = [np.concatenate(column) for column in zip(*parts, strict=True)]
        columns.append(given)
        found.append((data, g_answers(given[1], given[0], classes) if len(given) > 1 else given[0]))
    (clean, clean_answers), (poisoned, poisoned_answers) = found
    two = len(networks) > 1
    trigger = find_trigger(clean, poisoned, check)
    proven = isinstance(trigger, TriggerRegion)
    return Evaluated(
        int(np.count_nonzero(clean_answers == clean.labels)),
        clean.images,
        int(np.count_nonzero(poisoned_answers == poisoned.labels)),
        poisoned.images,
        detected=int(np.count_nonzero(poisoned_answers == classes)) if two else None,
        false_alarms=int(np.count_nonzero(clean_answers == classes)) if two else None,
        notes=(*clean.notes, *poisoned.notes),
        robust=int(np.count_nonzero(poisoned_answers == clean.labels)) if proven else None,
        unproven="" if isinstance(trigger, TriggerRegion) else trigger,
        trigger=trigger if isinstance(trigger, TriggerRegion) else None,
        badnet_hits=(hits(clean, columns[0][1]), hits(poisoned, columns[1][1])) if two else None,
        only_one_right=alone(clean.labels, columns[0][1], columns[0][0]) if two else None,
    )


def hits(data: Dataset, answers: np.ndarray) -> int:
    return int(np.count_nonzero(answers == data.labels))


def alone(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Images on which only the first, and only the second, of two networks is right."""
    one, other = first == labels, second == labels
    return int(np.count_nonzero(one & ~other)), int(np.count_nonzero(other & ~one))


def described(network: Network) -> tuple[tuple[int, int, int], int]:
    """The images (height, width, colours) that a network takes, and its number of classes."""
    height, width, colours = network.model.input.shape[1:]
    return (height, width, colours), max(2, network.model.output.shape[-1])  # a single output tells two apart


def counting(
    data: Dataset, size: int, name: str, progress: Callable[[str, int, int], None]
) -> Generator[np.ndarray, None, None]:
    """The batches of a data set, telling `progress` how many images have gone by."""
    done = 0
    with prefetch(data.batches(size)) as batches:
        for batch in batches:
            yield batch
            done += len(batch)
            progress(name, done, data.images)
