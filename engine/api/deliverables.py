"""What a run has saved, and what it has asked: by path, which channels are at zero in the file, and its SHA-256.

Events tell of it (Saved, SaveMeasured, FileChanged, Question), so that a journal, a report and a screen agree. Whether
a file on disk still is the one that was saved, `engine.run.saving` finds out; FileChanged says where it is not.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from engine.api import file_names
from engine.api import protocol as p

Files = Mapping[str, "File"]
Channels = frozenset[int]


class File(msgspec.Struct, frozen=True):
    """A file that a run saved. `pruned`: the channels at zero in B', in the order they went; `counts`: of B' and G.

    `order_by`: the name of the whole order that the run had taken then; empty: the one that it began with.
    Result files hold no network: their `pruned` is empty and their `counts` are None. B″ and what its G answers name
    their `tuning` and `epoch`, whose counts events tell.
    """

    what: str  # "model", "tuned" (B″), "answers", or the name of a result file
    path: str
    sha256: str
    step: int | None = None
    threshold: str | None = None
    pruned: tuple[int, ...] = ()
    counts: p.Counts | None = None
    order_by: str = ""
    tuning: int | None = None
    epoch: int | None = None

    @property
    def channels(self) -> Channels:
        return frozenset(self.pruned)


def table_place(step: int | None, threshold: str | None, path: str) -> tuple[int, Decimal, str]:
    """Where a saved network stands in tables: by its step; among equals the smaller threshold, then the name."""
    return step or 0, Decimal(threshold or 1000), path


def with_saved(
    files: Files, event: p.Saved, pruned: tuple[int, ...], counts: p.Counts | None, order_by: str = ""
) -> Files:
    """The files after one more was saved.

    A network saved by hand does not take the name of another one: a journal that tells of it was written by a version
    that did not ask, and the file is made again.
    """
    before = files.get(event.path)
    if before is not None and names(before) and not names(event):
        return files
    own = None if event.tuning is not None else counts
    file = File(
        event.what, event.path, event.sha256, event.step, event.threshold, pruned, own, order_by, event.tuning,
        event.epoch,
    )  # fmt: skip
    return {**files, event.path: file}


def with_measured(files: Files, channels: Channels, counts: p.Counts) -> Files:
    """The files after the networks with these channels at zero were counted on the poisoned validation set."""
    same = {
        path: msgspec.structs.replace(file, counts=counts)
        for path, file in files.items()
        if file.what == "model" and file.channels == channels
    }
    return {**files, **same} if same else files


def without(files: Files, path: str) -> Files:
    """The files but for one that is gone or holds something else."""
    return {each: file for each, file in files.items() if each != path}


def names(saved: "File | p.Saved") -> bool:
    """Whether a network's file name says what it is: the threshold or the step that it was saved for."""
    if saved.what != "model":
        return False
    meaning = file_names.saved_point(saved.path.rpartition("/")[2])
    return meaning is not None and meaning == file_names.SavedPoint(
        saved.threshold, None if saved.threshold else saved.step
    )


class Asked(NamedTuple):
    """What a question was about: a file, and the channels at zero in the network that was to be saved there."""

    path: str
    channels: Channels


class Ledger:
    """Folds the events of a run. `counted`: by channels at zero, counts with the poisoned validation set."""

    def __init__(self) -> None:
        self.order: tuple[int, ...] = ()
        self.order_by = ""  # the name of the whole order that was taken
        self.orders: dict[Channels, str] = {}  # for every network that was ever saved, the order that it was saved in
        self.steps: dict[int, p.Counts] = {}
        self.counted: dict[Channels, p.Counts] = {}
        self.counts: dict[Channels, p.Counts] = {}  # of every network that was ever saved
        self.files: Files = {}
        self.hashes: set[str] = set()  # of every file that was ever saved
        self.asked: set[Asked] = set()
        self.thresholds_asked: set[tuple[str, Channels]] = set()  # in journals whose questions name no file
        self.questions = 0
        self.asked_tuned: set[tuple[str, int, int]] = set()  # a file, and the tuning and epoch that was to go there

    def take(self, event: p.AnyEvent) -> None:
        match event:
            case p.Ranked():
                self.order = event.order
            case p.Reordered():
                self.order = event.order
                self.order_by = self.order_by if event.order_by is None else event.order_by
                self.steps = {step: counts for step, counts in self.steps.items() if step <= event.kept}
            case p.Stepped():
                self.steps[event.step] = event.counts
            case p.SaveMeasured():
                channels = frozenset(self.order[: event.step])
                self.counted[channels] = event.counts
                self.files = with_measured(self.files, channels, event.counts)
            case p.Saved():
                self.saved(event)
            case p.FileChanged(path=path):
                self.files = without(self.files, path)
            case p.Question():
                self.question(event)

    def saved(self, event: p.Saved) -> None:
        self.hashes.add(event.sha256)
        if event.step is None or event.tuning is not None:
            self.files = with_saved(self.files, event, event.pruned or (), None)
            self.asked_tuned.discard((event.path, event.tuning or 0, event.epoch or 0))
            return
        pruned = self.order[: event.step] if event.pruned is None else event.pruned
        channels = frozenset(pruned)
        if event.pruned is None:
            self.orders[channels] = self.order_by
        if event.pruned is None and event.step in self.steps:
            self.counts[channels] = self.steps[event.step]
        if channels in self.counts:
            counts = self.counted.get(channels, self.counts[channels])
            order_by = self.orders.get(channels, self.order_by)
            self.files = with_saved(self.files, event, pruned, counts, order_by)
            self.asked.discard(Asked(event.path, channels))

    def question(self, event: p.Question) -> None:
        self.questions += 1
        if event.tuning is not None:
            self.asked_tuned.add((event.path or "", event.tuning, event.epoch or 0))
            return
        channels = frozenset(self.order[: event.step or 0])
        if event.path is not None:
            self.asked.add(Asked(event.path, channels))
        elif event.threshold is not None:
            self.thresholds_asked.add((event.threshold, channels))

    def was_asked(self, path: str, threshold: str | None, channels: Channels) -> bool:
        """Whether the user has been asked already to save these channels at zero under this name."""
        return Asked(path, channels) in self.asked or (threshold or "", channels) in self.thresholds_asked

    def holds(self, path: str, channels: Channels) -> bool:
        """Whether the file at `path` was saved, as a network or its answers, with just these channels at zero."""
        file = self.files.get(path)
        own = file is not None and file.step is not None and file.tuning is None
        return own and file is not None and file.channels == channels
