"""What a run reads: the network, its data sets, and the SHA-256 of each file."""

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

import numpy as np

from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.protocol import SETS, SetInfo, SetName, Settings
from engine.api.published import known_file
from engine.api.thresholds import refuse_steps
from engine.architecture.description import ModelFile
from engine.architecture.graph import (
    channels_of,
    classes,
    default_layer,
    output_shapes,
    ranking_feature,
    refuse_layer,
    steps_notes,
)
from engine.file_safety.open_source import Source, open_source
from engine.file_safety.refusal import FileRefused, refused
from engine.network.backend import processors
from engine.orders.order_file import checked, refuse_missing
from engine.sandbox.data_set import Dataset, open_dataset
from engine.sandbox.model_file import read_model


def paths(settings: Settings) -> dict[str, Path]:
    """The files a run reads, by "model" or the name of the set."""
    named = {"model": settings.model} | {name: getattr(settings, name) for name in SETS}
    return {name: Path(path) for name, path in named.items() if path}


def open_sources(settings: Settings, follow: bool = True) -> dict[str, Source]:
    """Open each file that a run reads, once. Without `follow` no link is followed. Raises Refused."""
    if not settings.model or not settings.valid:
        raise Refused("A run needs a network and clean validation images. Name them with --model and --valid.")
    root = Path(settings.root) if settings.root else None
    return {name: open_source(path, root, follow) for name, path in paths(settings).items()}


class Hashes:
    """SHA-256 of open files, by threads: one, and more where there are processors to spare.

    `progress` hears, there, how many of how many are done.
    """

    def __init__(self, files: dict[str, Source], progress: Callable[[int, int], None]) -> None:
        self.files, self.progress = files, progress
        self.stop, self.telling, self.done = Event(), Lock(), 0
        self.pool = ThreadPoolExecutor(min(len(files), max(1, processors() // 2)), "hashes")
        self.found = {name: self.pool.submit(self.take, source) for name, source in files.items()}

    def take(self, source: Source) -> str:
        self.check()
        found = source.hash(self.check)
        self.check()
        with self.telling:
            self.done += 1
            self.progress(self.done, len(self.files))
        return found

    def check(self) -> None:
        if self.stop.is_set():
            raise CancelledError

    def all(self) -> dict[str, str]:
        """Wait for all of them. Raises Refused where a file changed, or its name stands for another one by now."""
        found = {name: digest.result() for name, digest in self.found.items()}
        for source in self.files.values():
            source.refuse_replaced()
        return found

    def close(self) -> None:
        """End the threads: nothing is read, or told, from now on."""
        self.stop.set()
        self.pool.shutdown()


@dataclass
class Inputs:
    """The opened inputs of a run. Sets lie one behind the other among the run's images, in the order of `sets`."""

    model: ModelFile
    layer: str
    feature: str
    classes: int
    sets: dict[SetName, Dataset]
    sha256: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Let go of the data files."""
        for data in self.sets.values():
            data.close()

    @property
    def suffix(self) -> str:
        """How the name of a file like B ends."""
        return {"keras": ".keras", "weights.h5": ".weights.h5"}.get(self.model.spec.format, ".h5")

    @property
    def channels(self) -> int:
        """Channels of the pruned layer."""
        return channels_of(self.model.spec, self.layer)

    @property
    def rows(self) -> dict[SetName, slice]:
        """Where each set's images are among those of the run."""
        ends = np.cumsum([data.images for data in self.sets.values()]).tolist()
        return {name: slice(end - self.sets[name].images, end) for name, end in zip(self.sets, ends, strict=True)}

    @property
    def stepped(self) -> int:
        """Images that are answered at every step: all but the poisoned validation set, which comes last."""
        return sum(data.images for name, data in self.sets.items() if name != "poisoned_valid")

    def set_info(self, name: SetName) -> SetInfo:
        data, digest = self.sets[name], self.sha256.get(name, "")
        return SetInfo(escape(data.path.name, 48), data.images, digest, known_file(digest), data.notes)

    def model_info(self) -> SetInfo:
        digest = self.sha256.get("model", "")
        notes = self.model.spec.notes + steps_notes(self.layer, self.channels)
        return SetInfo(escape(self.model.path.name, 48), 0, digest, known_file(digest), notes)

    @property
    def target(self) -> str:
        """The attack's target label or labels, for people; empty without a poisoned set."""
        poisoned = self.sets.get("poisoned") or self.sets.get("poisoned_valid")
        if poisoned is None:
            return ""
        labels = np.unique(poisoned.labels)
        shown = ", ".join(str(label) for label in labels[:5])
        return shown + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def open_inputs(settings: Settings, files: dict[str, Source] | None = None) -> Inputs:
    """Read and check the network, then the headers and labels of the data, in open `files`. Raises Refused."""
    files = files or open_sources(settings)
    model = read_model(files["model"])
    layer, feature = pruned_layer(model, settings.layer)
    shapes = output_shapes(model.spec.layers)
    height, width, colours = shapes[model.spec.layers[0].name]
    known = classes(shapes, model.spec.output)
    present = [name for name in SETS if name in files]
    with ExitStack() as opened:
        inputs = Inputs(model, layer, feature, known, {})
        opened.callback(inputs.close)
        for name in present:
            inputs.sets[name] = open_dataset(files[name], (height, width, colours), known)
        check_steps(settings, inputs.channels)
        if settings.order is None:
            refuse_missing(settings.order_by, inputs.sets)
        opened.pop_all()  # they stay open
    return inputs


def check_steps(settings: Settings, channels: int) -> None:
    """Raises Refused for an order of channels that are not there, or a step that will not come."""
    last = channels if settings.order is None else len(checked(settings.order, channels))
    refuse_steps(settings.save_steps, last)


def pruned_layer(model: ModelFile, name: str | None) -> tuple[str, str]:
    """The layer to prune and its ranking feature. Raises Refused, naming the layers that can be pruned."""
    try:
        if name is not None:
            refuse_layer(model.spec, name)
        layer = name or default_layer(model.spec)
    except FileRefused as finding:
        raise refused(model.path, str(finding)) from None
    return layer, ranking_feature(model.spec, layer)


def changed_inputs(before: dict[str, str], now: dict[str, str], files: dict[str, Path]) -> None:
    """Raises Refused where an input of a run is no longer the file it was, or nobody knows which it was."""
    if unknown := now.keys() - before.keys():
        raise Refused(f"the journal of this run holds no SHA-256 of its {min(unknown)} file. Start a new run.")
    for name, digest in before.items():
        if now.get(name) != digest:
            shown = escape(files[name].name, 48) if name in files else name
            raise Refused(f"{shown}: changed since this run began (SHA-256 differs). Start a new run.")
