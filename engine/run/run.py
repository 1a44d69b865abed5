"""An opened run: its inputs, its session, the features once they are needed, and looks that change nothing."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.api.orders import DEFAULT, method_of
from engine.api.progress import Check
from engine.api.protocol import ChannelView, Counts, Note, Progress, Ranked, SetName, Settings
from engine.network.backend import smaller_batches
from engine.network.evaluation import Evaluator, ImageSet, counted
from engine.network.pipeline import prefetch
from engine.orders.mean import mean_activations
from engine.run.answer_store import AnswersFile
from engine.run.inputs import Inputs
from engine.run.session import Session, mask_of

if TYPE_CHECKING:  # which imports Keras
    from engine.network.build import Cut, Network
    from engine.network.device_tail import DeviceTail
    from engine.network.pruned_tail import PrunedTail
    from engine.orders.evidence import Evidence

Emit = Callable[..., None]
SHOWN: tuple[SetName, ...] = ("valid", "poisoned")  # sets that a channel's maps are of
LARGEST_MAP = 64  # positions a side: as many as two maps side by side have room for on a wide terminal
LONG_STEP, TELL_EVERY = 0.5, 0.25  # seconds: from when on a step is told of, and how often
FEATURE_BATCH = 256  # images whose convolutions are computed at once, by each thread: more take memory and win no time
USUAL_BATCH = 2048  # images that a step takes at once, unless told otherwise; a card takes what it has room for
SWAPPED = "Channels {} and {} differ by less than a millionth in what orders them: another device may swap them."


class WithinStep:
    """Tells how far a step under way is, once it has taken so long that somebody waits for it."""

    def __init__(self, emit: Emit, clock: Callable[[], float] = perf_counter) -> None:
        self.emit, self.clock = emit, clock
        self.begin = self.told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = self.clock()
        if done == 0:
            self.begin = self.told = now
        elif now - self.begin >= LONG_STEP and now - self.told >= TELL_EVERY:
            self.told = now
            self.emit(Progress("step", done, total, now - self.begin))


@dataclass
class Run:
    """One run in its folder. `emit` sends an event; `check` raises where the user wants to stop."""

    settings: Settings
    folder: Path
    inputs: Inputs
    emit: Emit
    check: Check

    @cached_property
    def session(self) -> Session:
        channels = self.inputs.channels
        answers = AnswersFile(self.folder / "answers.bin", self.inputs.stepped, channels)
        poisoned = self.inputs.sets.get("poisoned")
        valid = self.inputs.sets["valid"].images
        bad, stride, visits = poisoned.images if poisoned else 0, self.settings.stride, self.settings.save_steps
        return Session(channels, valid, bad, answers, self.count, stride=stride, visits=visits)

    def close(self) -> None:
        """Let go of the answers' file and of the features."""
        session: Session | None = self.__dict__.pop("session", None)
        if session is not None and isinstance(session.answers, AnswersFile):
            session.answers.close()
        self.__dict__.pop("evaluator", None)

    @cached_property
    def image_sets(self) -> dict[SetName, ImageSet]:
        return {name: ImageSet(rows, self.inputs.sets[name].labels) for name, rows in self.inputs.rows.items()}

    @property
    def b_answers(self) -> np.ndarray:
        """B's answers to every image of the run: (images,), uint16."""
        return self.session.answers[self.session.key(0)]

    def count(self, answers: np.ndarray) -> Counts:
        b = self.b_answers if self.session.key(0) in self.session.answers else answers
        return counted(self.image_sets, b, answers, self.inputs.classes)

    # --- what needs Keras ---

    @cached_property
    def evaluator(self) -> Evaluator:
        """The network cut in two, with every feature computed; the first to ask waits for them."""
        from engine.network.build import build, cut
        from engine.network.device_filling import NO_ROOM, wanted

        begin = perf_counter()
        network = build(self.inputs.model.spec, self.inputs.model.arrays)
        at = cut(network, self.inputs.layer, self.inputs.feature)
        self.emit(Progress("model", 1, 1, perf_counter() - begin))
        tail = self.on_device(network, at) if wanted() else None
        if tail is None and wanted():
            self.emit(Note(NO_ROOM))
        return Evaluator(tail or self.with_host(network, at), self.inputs.stepped, WithinStep(self.emit))

    def on_device(self, network: "Network", at: "Cut") -> "DeviceTail | None":
        """The network behind the cut with every feature on the device; None where it has no room for them."""
        from engine.network.device_filling import SetOfImages, device_tail
        from engine.network.features import SCALES

        sets = [
            SetOfImages(data.images, data.batches, partial(self.progress, f"features {name}", data.images))
            for name, data in self.inputs.sets.items()
        ]
        wish = self.settings.batch_size
        most = wish if wish < USUAL_BATCH else None
        return device_tail(network, at, SCALES[self.settings.scale], sets, self.halved, most)

    def with_host(self, network: "Network", at: "Cut") -> "PrunedTail":
        """The network behind the cut with every feature in the host's memory, or in a file."""
        from engine.network.features import SCALES, FeatureStore, compute, features_model
        from engine.network.model_runner import Forward
        from engine.network.pruned_tail import PrunedTail

        model = features_model(network, at, SCALES[self.settings.scale])
        others = [tuple(tensor.shape[1:]) for tensor in model.outputs[1:]]
        images = sum(data.images for data in self.inputs.sets.values())
        store = FeatureStore(images, at, others, self.feature_memory, self.folder)
        forward = Forward(model, 1, self.halved)
        size = forward.fitting(min(FEATURE_BATCH, self.settings.batch_size))
        for name, data in self.inputs.sets.items():
            progress = self.progress(f"features {name}", data.images)
            with prefetch(data.batches(size)) as batches:
                compute(store, forward, batches, self.inputs.rows[name].start, progress)
        return PrunedTail(network, at, store, self.settings.batch_size, self.halved)

    def prepare(self) -> Evaluator:
        """Compute the features now; otherwise whoever needs them first waits for them."""
        return self.evaluator

    @property
    def device_memory(self) -> int:
        """Bytes of the card's memory that are used, now that the features are there; 0 before, and on a CPU."""
        if "evaluator" not in self.__dict__:
            return 0
        from engine.network import device

        memory = device.memory()
        return memory.used if memory else 0

    @property
    def feature_memory(self) -> int:
        """Bytes of features that may stay in memory: as told, or half of what is free now."""
        if self.settings.feature_memory is not None:
            return self.settings.feature_memory
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2

    def progress(self, phase: str, total: int) -> Callable[[int], None]:
        begin = perf_counter()

        def done(count: int) -> None:
            self.check()
            self.emit(Progress(phase, count, total, perf_counter() - begin))

        return done

    def halved(self, size: int) -> None:
        self.emit(Note(smaller_batches(size)))

    @property
    def material(self) -> "Evidence":
        """What orders may look at."""
        from engine.network.features import SCALES
        from engine.orders.evidence import Evidence

        rest, sets = self.evaluator.rest, self.inputs.sets
        return Evidence(
            network=rest.network,
            at=rest.at,
            rest=rest,
            rows=self.inputs.rows,
            labels={name: data.labels for name, data in sets.items()},
            images=lambda name, size: sets[name].batches(size),
            scale=SCALES[self.settings.scale],
            batch=min(FEATURE_BATCH, self.settings.batch_size),
            check=self.check,
            halved=self.halved,
        )

    def rank(self) -> Ranked:
        """The order: as given, or by the method that the settings name."""
        from engine.orders.compute_order import nearly_equal, order_of, scored

        begin = perf_counter()
        store, rows, name = self.evaluator.rest.store, self.inputs.rows, self.settings.order_by
        means, given = mean_activations(store, rows["valid"]), self.settings.order
        done, channels = self.progress("ranking", self.inputs.channels), self.inputs.channels
        scores = means if name == DEFAULT or given else scored(name, replace(self.material, progress=done))
        poisoned = rows.get("poisoned")
        event = Ranked(
            order_of(name, scores) if given is None else given,
            given is not None,
            tuple(means.tolist()),
            tuple(store.active[:, rows["valid"]].sum(axis=1).tolist()),
            tuple(store.active[:, poisoned].sum(axis=1).tolist()) if poisoned else None,
            order_by=name,
            looks_at=method_of(name).looks_at,
            scores=None if name == DEFAULT or given else tuple(scores.tolist()),
        )
        self.emit(Progress("ranking", channels, channels, perf_counter() - begin))
        if given is None and (close := nearly_equal(scores, event.order)):
            self.emit(Note(SWAPPED.format(*close)))
        return event

    def order_by(self, name: str) -> tuple[int, ...]:
        """The channels in the order of a method. Raises Refused where it looks at what is not there."""
        from engine.orders.compute_order import order_of, scored

        return order_of(name, scored(name, self.material))

    def measured(self, step: int) -> Counts:
        """Counts at a step, with the poisoned validation set."""
        key = self.session.key(step)
        counts, rows = self.session.counts[key], self.inputs.rows.get("poisoned_valid")
        if rows is None:
            return counts
        answers = self.evaluator.of(rows, self.session.mask(step), self.check)
        hits = int(np.count_nonzero(answers == self.inputs.sets["poisoned_valid"].labels))
        return msgspec.structs.replace(counts, poisoned_valid=hits)

    def channel_view(self, channel: int) -> ChannelView:
        """The mean maps of a channel's feature, and what pruning it alone from B would cost."""
        store, rows = self.evaluator.rest.store, self.inputs.rows
        alone, _ = self.evaluator.after(self.b_answers, mask_of([channel], self.inputs.channels), channel, self.check)
        means = (store.mean_map(channel, rows[name]) for name in SHOWN if name in rows)
        whole = self.feature_shape
        maps = [blocks(each.reshape(whole), LARGEST_MAP) for each in means]
        height, width = maps[0].shape
        flat = [tuple(each.ravel().tolist()) for each in maps]
        poisoned = flat[1] if len(flat) > 1 else None
        of = whole if (height, width) != whole else (0, 0)
        return ChannelView(channel, height, width, flat[0], poisoned, self.count(alone), *of)

    @property
    def feature_shape(self) -> tuple[int, int]:
        """Height and width of the ranking feature; 1 x 1 after global pooling."""
        from engine.architecture.graph import output_shapes

        shape = output_shapes(self.inputs.model.spec.layers)[self.inputs.feature]
        return (shape[0], shape[1]) if len(shape) == 3 else (1, 1)


def blocks(values: np.ndarray, side: int) -> np.ndarray:
    """An array of at most `side` x `side`: means over blocks of (height, width), as equal in size as they can be."""
    for axis, size in enumerate(values.shape):
        count = min(size, side)
        starts = np.arange(count) * size // count
        lengths = np.diff(np.append(starts, size))
        sums = np.add.reduceat(values, starts, axis)
        values = sums / (lengths[:, None] if axis == 0 else lengths)
    return values
