"""What a run has saved, and what it has asked: by path, which channels are at zero in the file, and its SHA-256.

Events tell of it (Saved, SaveMeasured, FileChanged, Question), so that a journal, a report and a screen agree. Whether
a file on disk still is the one that was saved, `engine.run.saving` finds out; FileChanged says where it is not.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from engine.api import lab
from engine.api import protocol as p

Files = Mapping[str, "File"]
Channels = frozenset[int]


class File(msgspec.Struct, frozen=True):
    """A file that a run saved. `pruned`: the channels at zero in B', in the order they went; `counts`: of B' and G.

    Result files hold no network: their `pruned` is empty and their `counts` are None.
    """

    what: str  # "model", "answers", or the name of a result file
    path: str
    sha256: str
    step: int | None = None
    threshold: str | None = None
    pruned: tuple[int, ...] = ()
    counts: p.Counts | None = None

    @property
    def channels(self) -> Channels:
        return frozenset(self.pruned)


def with_saved(files: Files, event: p.Saved, pruned: tuple[int, ...], counts: p.Counts | None) -> Files:
    """The files after one more was saved.

    A network saved by hand does not take the name of another one: a journal that tells of it was written by a version
    that did not ask, and the file is made again.
    """
    before = files.get(event.path)
    if before is not None and names(before) and not names(event):
        return files
    file = File(event.what, event.path, event.sha256, event.step, event.threshold, pruned, counts)
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
    meaning = lab.saved_point(saved.path.rpartition("/")[2])
    return meaning is not None and meaning == lab.SavedPoint(saved.threshold, None if saved.threshold else saved.step)


class Asked(NamedTuple):
    """What a question was about: a file, and the channels at zero in the network that was to be saved there."""

    path: str
    channels: Channels


class Ledger:
    """Folds the events of a run. `counted`: by channels at zero, counts with the poisoned validation set."""

    def __init__(self) -> None:
        self.order: tuple[int, ...] = ()
        self.steps: dict[int, p.Counts] = {}
        self.counted: dict[Channels, p.Counts] = {}
        self.counts: dict[Channels, p.Counts] = {}  # of every network that was ever saved
        self.files: Files = {}
        self.hashes: set[str] = set()  # of every file that was ever saved
        self.asked: set[Asked] = set()
        self.thresholds_asked: set[tuple[str, Channels]] = set()  # in journals whose questions name no file
        self.questions = 0

    def take(self, event: p.AnyEvent) -> None:
        match event:
            case p.Ranked():
                self.order = event.order
            case p.Reordered():
                self.order = event.order
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
        if event.step is None:
            self.files = with_saved(self.files, event, (), None)
            return
        pruned = self.order[: event.step] if event.pruned is None else event.pruned
        channels = frozenset(pruned)
        if event.pruned is None and event.step in self.steps:
            self.counts[channels] = self.steps[event.step]
        if channels in self.counts:
            counts = self.counted.get(channels, self.counts[channels])
            self.files = with_saved(self.files, event, pruned, counts)
            self.asked.discard(Asked(event.path, channels))

    def question(self, event: p.Question) -> None:
        self.questions += 1
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
        return file is not None and file.step is not None and file.channels == channels
