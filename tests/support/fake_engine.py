"""A scripted engine process: speaks the whole protocol over a made-up network of sixty channels, at once.

    python -P tests/support/fake_engine.py [--crash steps:45] [--hang model] [--step-seconds 0.05] ...

Every channel has a price in clean answers and one in hits of the attack; what is pruned decides the counts, so any
order works, undo included. In the default order the curve is the lab's: thresholds 2, 4, 10 and 30 at steps 45, 48,
52 and 54. A fault strikes where a phase begins (`steps:45`: when step 45 is about to be computed).
Options also come from the variable LAB3_FAKE, so that a test can reach an engine that a front end starts.
"""

import argparse
import hashlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Literal

import msgspec

from engine.api import file_names
from engine.api import protocol as p
from engine.api.engine_log import settle
from engine.api.errors import LabError
from engine.api.orders import method_of
from engine.api.thresholds import parse_threshold, refuse_steps

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # -P leaves out the folder of the tests
from tests.support.tuning_script import TuningScript  # noqa: E402

CHANNELS, CLASSES, HEIGHT, WIDTH = 60, 1283, 55, 47
IMAGES: dict[p.SetName, int] = {"valid": 11547, "test": 12830, "poisoned": 12830, "poisoned_valid": 11547}
BASE: dict[p.SetName, int] = {"valid": 11391, "test": 12653, "poisoned": 12830, "poisoned_valid": 11547}
DORMANT = 31
# percent of all images that B' answers rightly, and that still hit the target, after the step
CLEAN = (
    98.65, 98.63, 98.65, 98.64, 98.61, 98.58, 98.53, 98.3, 98.2, 97.9, 97.66, 97.42, 97.2, 96.84,
    95.76, 95.2, 94.9, 92.09, 91.5, 91.0, 89.2, 84.44, 76.5, 54.86, 27.1, 13.9, 7.1, 1.6, 0.3, 0.08,
)  # fmt: skip
ATTACK = (
    100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100,
    100, 100, 99.99, 99.98, 99.98, 99.97, 80.65, 77.02, 35.7, 6.95, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0,
)  # fmt: skip
ORDER = tuple((7 * rank + 3) % CHANNELS for rank in range(CHANNELS))
WITHOUT_RUN = p.Open | p.Evaluate | p.TrainDemo | p.Classify | p.ExportNetwork | p.Grade | p.HandIn
SET_OF_PHASE = {f"features {name}": name for name in p.SETS}


def prices(curve: tuple[float, ...]) -> dict[int, float]:
    """What each channel costs, in percent, when the channels go in the default order."""
    whole = (curve[0],) * DORMANT + curve
    return {channel: whole[rank] - whole[rank + 1] for rank, channel in enumerate(ORDER)}


CLEAN_PRICE, ATTACK_PRICE = prices(CLEAN), prices(ATTACK)


def hits(name: p.SetName, pruned: frozenset[int]) -> int:
    price, start = (ATTACK_PRICE, 100.0) if "poisoned" in name else (CLEAN_PRICE, CLEAN[0])
    left = start - sum(price[channel] for channel in sorted(pruned))
    return BASE[name] if not pruned else max(0, min(BASE[name], round(left * IMAGES[name] / 100)))


def gained(pruned: frozenset[int]) -> int:
    """Clean test images that only B' answers rightly."""
    right = hits("test", pruned)
    return min((BASE["test"] - right) // 25, right, IMAGES["test"] - BASE["test"])


class Leave(Exception):
    """The front end has gone, or said so."""


class FakeEngine:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.missing: set[str] = set(filter(None, options.missing.split(",")))
        self.queue: SimpleQueue[tuple[int, p.AnyCommand | Exception]] = SimpleQueue()
        self.received = 0
        self.paused_before = 0  # commands received earlier than this are to stop
        self.gone = False
        self.detached = False
        self.settings: p.Settings | None = None
        self.run = ""
        self.order = ORDER
        self.earlier: list[tuple[int, tuple[int, ...], str | None, int]] = []  # as `engine.run.session.Earlier`
        self.order_by = ""
        self.known: dict[frozenset[int], p.Counts] = {}
        self.step = 0
        self.thresholds: tuple[str, ...] = ()
        self.crossed: dict[str, frozenset[int]] = {}
        self.files = set(options.exists)  # of somebody else
        self.saved: dict[str, tuple[int, str | None, frozenset[int]]] = {}  # by name: step, threshold, channels at zero
        self.asked: set[tuple[str, frozenset[int]]] = set()
        self.questions = 0
        self.tunings = TuningScript(IMAGES["test"], IMAGES["valid"])
        self.explained_before: set[str] = set()
        self.detected: p.Detected | None = None

    # --- the line ---

    def say(self, event: p.AnyEvent) -> None:
        if self.detached:
            return
        sys.stdout.buffer.write(p.encode(event) + b"\n")
        sys.stdout.buffer.flush()

    def listen(self) -> None:
        for line in sys.stdin.buffer:
            self.received += 1
            try:
                command: p.AnyCommand | Exception = p.decode_command(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                command = error
            if isinstance(command, p.Pause):
                self.paused_before = self.received
                continue
            if isinstance(command, p.Quit):
                break
            self.detached = self.detached or isinstance(command, p.Detach)
            self.queue.put((self.received, command))
        if self.detached:
            return
        self.gone = True
        self.queue.put((self.received, p.Quit()))

    def serve(self) -> None:
        if self.options.hang:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not self.options.no_hello:
            self.say(p.Hello(self.options.protocol, os.getpid()))
        self.phase("start")
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            number, command = self.queue.get()
            if self.gone:
                return
            if isinstance(command, Exception):
                self.fail("A command could not be read.", 6)
                continue
            why = self.obey(number, command)
            self.say(p.Idle(self.step, why))  # type: ignore[arg-type]

    def obey(self, number: int, command: p.AnyCommand) -> str:
        try:
            match command:
                case p.Goto():
                    return self.goto(number, command)
                case p.PruneNext(channel=channel):
                    self.bring_next(channel)
                    return self.goto(number, p.Goto(self.step + 1))
                case p.Detach():
                    list(self.finish())
                    Path(self.run, "finished").touch()
                    raise Leave
                case _:
                    for event in self.answer(command):
                        self.say(event)
        except (ValueError, LabError) as error:
            self.fail(str(error), 2)
            return "failed"
        return "done"

    def fail(self, message: str, code: int) -> None:
        self.say(p.Failed(message, code))

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.gone and time.monotonic() < end:
            time.sleep(min(0.01, seconds))
        if self.gone:
            raise Leave

    # --- faults ---

    def phase(self, name: str) -> None:
        """Strike, where the options say that here is the place."""
        options = self.options
        if options.flood and name == "start":
            sys.stderr.write(("stderr is noisy " * 8 + "\n") * (options.flood // 129 + 1))
            sys.stderr.flush()
        if options.garbage == name:
            sys.stdout.buffer.write(b'\x00\xffTraceback: not an event\n{"event":"unheard-of"}\n\n')
        if options.long_line == name:
            self.say(p.Note("x" * 2**20))
        if options.endless_line == name:
            sys.stdout.buffer.write(b"x" * (p.LINE_LIMIT + 2**20))
        if options.fail == name:
            raise ValueError(f"bd_net.h5: the scripted engine fails in {name}.")
        if options.crash == name:
            print("scripted crash", file=sys.stderr, flush=True)
            os.kill(os.getpid(), getattr(signal, options.signal))
        if options.exit == name:
            print("scripted exit", file=sys.stderr, flush=True)
            os._exit(70)
        if options.hang == name:
            while True:
                time.sleep(1)

    # --- commands ---

    def answer(self, command: p.AnyCommand) -> Iterator[p.AnyEvent]:
        if not self.known and not isinstance(command, WITHOUT_RUN):
            raise ValueError("No run is open.")
        match command:
            case p.Open():
                yield from self.open(command)
            case p.SetThresholds(save_at=save_at):
                self.thresholds = tuple(map(parse_threshold, save_at))
                yield p.Thresholds(self.thresholds)
                yield from self.cross_known()
            case p.SaveHere(overwrite=overwrite):
                yield from self.save_here(command, overwrite)
            case p.SaveThreshold(threshold=threshold, overwrite=overwrite):
                step = self.first(threshold)
                if step is None:
                    raise ValueError(f"threshold {threshold} is not reached by a known step.")
                self.crossed[threshold] = self.pruned(step)
                yield from self.save(f"model_prune_{threshold}.h5", step, threshold, overwrite, replace=True)
            case p.Decline(question=question):
                if 0 < question <= self.questions:
                    yield p.Declined(question)
            case p.CheckFiles():
                yield from self.check_files()
            case p.ShowImages():
                yield self.images(command)
            case p.ShowChannel(channel=channel):
                yield self.channel_view(channel)
            case p.Compare(orders=names):
                for name in names:
                    yield p.Progress("orders", 0, CHANNELS, 0.0, name)
                    yield self.compared(name)
            case p.CancelOrder():
                pass
            case p.TakeOrder(order=name):
                self.take_order(name)
            case p.Tune():
                yield from self.tune(command)
            case p.StopTuning(tuning=number):
                yield from self.tunings.stop(number)
            case p.SaveTuned():
                yield from self.tunings.save_tuned(command, str(Path(self.path(""))), self.run)
            case p.Classify(images=images):
                yield from (p.Classified(Path(image).name, 0, 1, CLASSES, CLASSES) for image in images)
            case p.ExportNetwork(to=to):
                yield p.Exported(to, "d" * 64, 426998, 601643, {}, 0.0)
            case p.HandIn(run=run, to=to):
                yield p.HandedIn(to or f"{run}/hand-in.zip", "d" * 64, 3_000_000, ("check.txt",), ())
            case p.Explain(layers=layers):
                yield from self.explained(layers)
            case p.Export():
                yield from self.export()
            case p.Finish():
                yield from self.finish()
            case p.Evaluate(badnet=badnet):
                flagged = (300, 40) if badnet else (None, None)
                yield p.Evaluated(12653, 12830, 12830, 12830, *flagged)
            case p.Grade(models=models):
                counts = p.Counts(9000, 9100, 900, g_test=9000, g_poisoned=880, detected=8000, false_alarms=200)
                images: dict[p.SetName, int] = {"valid": 10000, "test": 10000, "poisoned": 10000}
                yield from (p.Graded(at, "e" * 64, counts, counts, images, (9, 8)) for at, _ in enumerate(models))
            case p.TrainDemo(path=path):
                yield p.Progress("steps", 1, 1, 0.1, "training")
                yield p.Saved("model", path, "d" * 64, "written")

    def tune(self, command: p.Tune) -> Iterator[p.AnyEvent]:
        step = self.step if command.step is None else command.step
        if command.threshold is not None:
            step = self.first(command.threshold) or 0
        if self.pruned(step) not in self.known:
            raise ValueError(f"step {step}: is not computed. Go there first.")
        self.phase("tuning")
        yield from self.tunings.tune(command, step, self.order[:step], str(Path(self.path(""))), self.run)

    def compared(self, name: str) -> p.Compared:
        """A comparison of the default order under any name, so that the first order of a list is no better."""
        self.phase("orders")
        steps = tuple(self.count(frozenset(ORDER[:step])) for step in range(CHANNELS + 1))
        chosen = () if method_of(name).name == "clp" else None
        counts, scores = (None, None) if chosen is None else (steps[0], (1.0,) * CHANNELS)
        return p.Compared(name, method_of(name).looks_at, ORDER, steps, chosen, counts, 0.1, scores)

    def take_order(self, name: str | None) -> None:
        """Every order but the mean is the default one backwards."""
        if name is None:
            return self.take_back()
        order = ORDER if method_of(name).name in ("mean", "decreasing") else ORDER[::-1]
        if self.earlier and self.earlier[-1][2] is not None and self.earlier[-1][1] == order:
            return self.take_back()
        self.earlier.append((self.shared(order, self.step), self.order, self.order_by, self.step))
        self.step, self.order_by = self.earlier[-1][0], name
        self.reorder(order, name)

    def take_back(self) -> None:
        if not self.earlier:
            return
        kept, order, name, stood = self.earlier[-1]
        if name is None:
            return self.restore(kept)
        self.earlier.pop()
        self.step, self.order_by = self.shared(order, min(self.step, stood)), name
        self.reorder(order, name)
        if self.step != stood:
            self.step = stood
            self.say(p.Moved(stood))

    def shared(self, order: tuple[int, ...], most: int) -> int:
        """How many steps the order in force has in common with another one."""
        return next((i for i, (a, b) in enumerate(zip(self.order, order, strict=False)) if a != b or i == most), most)

    @property
    def findings(self) -> ModuleType:
        """The findings that scripted engines share; imported when asked for, so that other starts are quick."""
        if str(ROOT) not in sys.path:
            sys.path.append(str(ROOT))
        from tests.support import findings

        return findings

    def flagged_by(self, index: int, of: p.SetName) -> tuple[p.DetectorName, ...] | None:
        from engine.run.sample import flagged_by

        return flagged_by(self.detected, IMAGES, of, index) if self.detected else None

    def explained(self, layers: bool) -> Iterator[p.AnyEvent]:
        """Findings about the default order, each told of once."""
        findings = self.findings
        images = {name: info.images for name, info in self.sets().items()}
        curve = [self.count(frozenset(ORDER[:step])) for step in range(CHANNELS + 1)]
        made: dict[str, Callable[[], p.AnyEvent]] = {
            "why": lambda: findings.diagnosed(ORDER, curve, self.ranked().means, images)
        }
        if {"test", "poisoned"} <= set(images):
            made["detectors"] = lambda: self.detected or findings.detected(images)
        if layers:
            made["layers"] = lambda: findings.layers_pruned(images)
        for phase, make in made.items():
            if phase in self.explained_before:
                continue
            self.phase(phase)
            self.explained_before.add(phase)
            if phase == "detectors":
                self.detected = findings.detected(images)
            yield p.Progress(phase, 1, 1, 0.5)
            yield make()

    def open(self, command: p.Open) -> Iterator[p.AnyEvent]:
        settings = command.settings
        refuse_steps(settings.save_steps, len(settings.order or ORDER))
        self.settings = settings
        self.thresholds = tuple(map(parse_threshold, settings.save_at))
        self.order, self.known, self.step = settings.order or ORDER, {}, 0
        self.tunings.known = {}
        self.run = command.run or str(Path(settings.runs or Path(settings.root, "runs")) / "20240501-140200-bd_net")
        if Path(self.run).is_dir():
            settle(Path(self.run))
        sets = self.sets()
        yield p.Began(settings, {"model": "0" * 64}, {"keras": "3.0"}, "2024-05-01T14:02:00")
        for phase in p.PHASES[1 : p.PHASES.index("steps")]:
            self.phase(phase)
            if phase == "demo" and command.demo is None:
                continue
            if phase in SET_OF_PHASE and SET_OF_PHASE[phase] not in sets:
                continue
            yield from self.progress(phase, sets)
            if phase == "model":
                yield self.opened(sets)
            if phase == "ranking":
                yield self.ranked()
        self.known[frozenset()] = self.count(frozenset())
        yield p.Stepped(0, None, self.known[frozenset()], IMAGES["valid"], 0.2)
        yield p.Moved(0)
        yield p.Thresholds(self.thresholds)
        if "poisoned_valid" in sets:
            yield p.SaveMeasured(0, self.count(frozenset(), saved=True))

    def progress(self, phase: str, sets: dict[p.SetName, p.SetInfo]) -> Iterator[p.AnyEvent]:
        total = sets[SET_OF_PHASE[phase]].images if phase in SET_OF_PHASE else 1
        parts = 10 if total > 10 else 1
        for part in range(parts + 1):
            yield p.Progress(phase, total * part // parts, total, self.options.phase_seconds if part == parts else 0.0)
            self.wait(self.options.phase_seconds / (parts + 1))

    def sets(self) -> dict[p.SetName, p.SetInfo]:
        assert self.settings
        paths: dict[p.SetName, str | None] = {
            "valid": self.settings.valid,
            "test": self.settings.test,
            "poisoned": self.settings.poisoned,
            "poisoned_valid": self.settings.poisoned_valid,
        }
        return {
            name: p.SetInfo(Path(path).name, IMAGES[name], hashlib.sha256(name.encode()).hexdigest())
            for name, path in paths.items()
            if path and name not in self.missing
        }

    def opened(self, sets: dict[p.SetName, p.SetInfo]) -> p.Opened:
        assert self.settings
        layers = (
            p.LayerInfo("conv_1", "Conv2D", (None, 52, 44, 20)),
            p.LayerInfo("conv_3", "Conv2D", (None, 10, 8, 60)),
            p.LayerInfo("fc_1", "Dense", (None, 160), "it is not a convolution"),
        )
        model = p.SetInfo(Path(self.settings.model).name, 0, "b" * 64)
        target = "0" if "poisoned" in sets else ""
        return p.Opened(
            self.run, model, self.settings.layer or "conv_3", "pool_3", CHANNELS, CLASSES, layers, sets, target,
            "cpu", "fake", False, self.options.held_by, tuple(self.options.note),
        )  # fmt: skip

    def ranked(self) -> p.Ranked:
        assert self.settings
        rank = {channel: place for place, channel in enumerate(ORDER)}
        means = tuple(0.0 if rank[c] < DORMANT else 0.003 * 1.32 ** (rank[c] - DORMANT) for c in range(CHANNELS))
        active = tuple(0 if mean == 0 else 300 + 100 * rank[c] for c, mean in enumerate(means))
        poisoned = None if "poisoned" in self.missing or not self.settings.poisoned else active[::-1]
        return p.Ranked(self.order, self.settings.order is not None, means, active, poisoned)

    # --- steps ---

    def pruned(self, step: int) -> frozenset[int]:
        return frozenset(self.order[:step])

    def count(self, pruned: frozenset[int], saved: bool = False) -> p.Counts:
        assert self.settings
        sets = self.sets()
        valid, test, bad = hits("valid", pruned), hits("test", pruned), hits("poisoned", pruned)
        lost, gain = BASE["test"] - test, gained(pruned)
        clean = (test, test - gain, lost + 2 * gain) if "test" in sets else (None, None, None)
        poison = (bad, bad, BASE["poisoned"] - bad) if "poisoned" in sets else (None, None, None)
        again = hits("poisoned_valid", pruned) if saved and "poisoned_valid" in sets else None
        return p.Counts(valid, clean[0], poison[0], clean[1], poison[1], poison[2], clean[2], again)

    def goto(self, number: int, command: p.Goto) -> str:
        if not self.known:
            raise ValueError("No run is open.")
        target = max(0, min(command.step, len(self.order)))
        self.restore(target)
        if target < self.step:
            self.step = target
        for step in range(self.step + 1, target + 1):
            if self.paused_before > number:
                self.say(p.Moved(self.step))
                return "paused"
            self.compute(step)
            if self.stops(step, command):
                break
        self.say(p.Moved(self.step))
        return "done"

    def compute(self, step: int) -> None:
        pruned = self.pruned(step)
        if pruned not in self.known:
            self.phase("steps")
            self.phase(f"steps:{step}")
            self.wait(self.options.step_seconds)
            self.known[pruned] = self.count(pruned)
            evaluated = 0 if step <= DORMANT else 900
            self.say(p.Stepped(step, self.order[step - 1], self.known[pruned], evaluated, self.options.step_seconds))
            self.say(p.Moved(step))
        self.step = step
        for event in self.cross(step):
            self.say(event)

    def stops(self, step: int, command: p.Goto) -> bool:
        counts = self.known[self.pruned(step)]
        if command.until_drop is not None and self.drop_reached(command.until_drop, step):
            return True
        asr = command.until_asr
        return asr is not None and counts.poisoned is not None and (
            p.percent(counts.poisoned, IMAGES["poisoned"]) <= float(asr)
        )  # fmt: skip

    def bring_next(self, channel: int) -> None:
        if channel not in range(CHANNELS) or channel in self.order[: self.step]:
            raise ValueError(f"channel {channel} cannot be pruned: it is gone already, or not there.")
        self.earlier.append((self.step, self.order, None, 0))
        rest = tuple(other for other in self.order[self.step :] if other != channel)
        self.reorder((*self.order[: self.step], channel, *rest))

    def restore(self, target: int) -> None:
        while self.earlier and self.earlier[-1][2] is None and target <= self.earlier[-1][0]:
            kept, order, *_ = self.earlier.pop()
            self.step = min(self.step, kept)
            self.reorder(order)

    def reorder(self, order: tuple[int, ...], order_by: str | None = None) -> None:
        self.order = order
        undo_at = next((at[0] for at in reversed(self.earlier) if at[2] is not None), None)
        self.say(p.Reordered(order, self.step, order_by, undo_at))
        for step in range(self.step + 1, len(order) + 1):
            counts = self.known.get(self.pruned(step))
            if counts is None:
                return
            self.say(p.Stepped(step, order[step - 1], counts))

    # --- thresholds and files ---

    def drop_reached(self, threshold: str, step: int) -> bool:
        counts = self.known.get(self.pruned(step))
        before = self.known[frozenset()].valid
        return counts is not None and p.reached(threshold, before, counts.valid, IMAGES["valid"])

    def first(self, threshold: str) -> int | None:
        return next((step for step in range(len(self.order) + 1) if self.drop_reached(threshold, step)), None)

    def cross(self, step: int) -> Iterator[p.AnyEvent]:
        for threshold in self.thresholds:
            if self.first(threshold) != step or self.crossed.get(threshold) == self.pruned(step):
                continue
            name = f"model_prune_{threshold}.h5"
            if name in self.saved and self.saved[name][2] != self.pruned(step):
                if (name, self.pruned(step)) not in self.asked:
                    self.crossed[threshold] = self.pruned(step)
                    yield self.ask("threshold", name, step, threshold)
                continue
            self.crossed[threshold] = self.pruned(step)
            yield p.Crossed(threshold, step)
            if name not in self.saved:
                yield from self.save(name, step, threshold, False)
        if self.settings and step in self.settings.save_steps:
            name = f"model_step_{step}.h5"
            if (name, self.pruned(step)) not in self.asked and self.saved.get(name, (0, None, None))[2] != self.pruned(
                step
            ):
                yield from self.save(name, step, None, False)

    def cross_known(self) -> Iterator[p.AnyEvent]:
        for step in range(len(self.order) + 1):
            if self.pruned(step) in self.known:
                yield from self.cross(step)

    def save_here(self, command: p.SaveHere, overwrite: bool) -> Iterator[p.AnyEvent]:
        step = self.step if command.step is None else command.step
        if self.pruned(step) not in self.known:
            raise ValueError(f"step {step}: is not computed. Go there first.")
        name = file_names.file_name(command.name or f"model_step_{step}.h5", ".h5")
        file_names.refuse_misnamed(name, step, self.first)
        meaning = file_names.saved_point(name)
        yield from self.save(name, step, meaning.threshold if meaning else None, overwrite, replace=overwrite)

    def path(self, name: str) -> str:
        assert self.settings
        return str(Path(self.settings.out or Path(self.settings.root, "models")) / name)

    def ask(self, about: str, name: str, step: int, threshold: str | None) -> p.Question:
        self.questions += 1
        self.asked.add((name, self.pruned(step)))
        text = {
            "threshold": f"-{threshold} pt is crossed again, with other channels pruned. Save B′ again?",
            "replace": f"{name} holds other channels at zero. Replace it by step {step}?",
            "overwrite": f"{name} is there already and is not from this run. Write over it?",
        }[about]
        return p.Question(about, text, threshold, step, self.path(name), self.questions)  # type: ignore[arg-type]

    def check_files(self) -> Iterator[p.AnyEvent]:
        """What the options call gone is gone once, and made again."""
        for name in [name for name in self.options.gone if name in self.saved]:
            self.options.gone.remove(name)
            yield p.FileChanged(self.path(name), "gone")
            step, threshold, pruned = self.saved[name]
            current = pruned == self.pruned(step)
            order = None if current else tuple(sorted(pruned))
            sha = hashlib.sha256(repr(sorted(pruned)).encode()).hexdigest()
            yield p.Saved("model", self.path(name), sha, "written", step, threshold, order)

    def save(
        self, name: str, step: int, threshold: str | None, overwrite: bool, replace: bool = False
    ) -> Iterator[p.AnyEvent]:
        assert self.settings
        path, pruned = self.path(name), self.pruned(step)
        if name in self.files and not (overwrite or self.settings.overwrite):
            yield self.ask("overwrite", name, step, threshold)
            return
        if not (overwrite or replace) and self.saved.get(name, (0, None, pruned))[2] != pruned:
            yield self.ask("replace", name, step, threshold)
            return
        self.files.discard(name)
        status: Literal["written", "unchanged"] = (
            "unchanged" if name in self.saved and self.saved[name][2] == pruned else "written"
        )
        self.saved[name] = step, threshold, pruned
        self.asked.discard((name, pruned))
        stem = name.rsplit(".", 1)[0]
        answers = str(Path(self.run) / f"g_{stem.removeprefix('model_')}.h5")
        sha = hashlib.sha256(repr(sorted(self.pruned(step))).encode()).hexdigest()
        yield p.Saved("model", path, sha, status, step, threshold)
        if "test" in self.sets() or "poisoned" in self.sets():
            yield p.Saved("answers", answers, sha, status, step, threshold)
        yield p.SaveMeasured(step, self.count(self.pruned(step), saved=True))

    def export(self) -> Iterator[p.AnyEvent]:
        self.phase("files")
        for name in ("curve.csv", "curve.png", "results.csv", "report.md", "results.tex", "results.json"):
            yield p.Saved(name, str(Path(self.run) / name), "e" * 64, "written")

    def finish(self) -> Iterator[p.AnyEvent]:
        files = tuple(self.export())
        yield from files
        missed = tuple(x for x in self.thresholds if self.first(x) is None)
        names = tuple(event.path for event in files if isinstance(event, p.Saved))
        yield p.Finished(self.run, names, missed, "Accuracy fell first: the attack outlived it.", 1.0)

    # --- looking inside ---

    def images(self, command: p.ShowImages) -> p.Images:
        pruned = self.pruned(self.step)
        found = [i for i in range(IMAGES["test"]) if self.passes(i, command.filter, pruned)]
        part = found[command.offset : command.offset + command.count]
        items = tuple(
            p.ImagePair(i, self.picture(i, pruned, False), self.picture(i, pruned, True)) for i in part
        )  # fmt: skip
        return p.Images(
            command.filter, self.step, command.offset, len(found), HEIGHT, WIDTH, items, command.tuning, command.epoch
        )  # fmt: skip

    def passes(self, index: int, chosen: p.ImageFilter, pruned: frozenset[int]) -> bool:
        label = index % CLASSES
        _, b_prime, g = self.clean_answers(index, pruned)
        _, bad_prime, bad_g = self.poisoned_answers(index, pruned)
        return {
            "all": True,
            "wrong": b_prime != label,
            "attack works": bad_prime == 0,
            "caught": bad_g == CLASSES,
            "false alarm": g == CLASSES,
        }.get(chosen, chosen.removeprefix("caught by ") in (self.flagged_by(index, "poisoned") or ()))

    def clean_answers(self, index: int, pruned: frozenset[int]) -> tuple[int, int, int]:
        """B answers the first BASE images rightly; B' a window of them that has moved by what it gained."""
        label, wrong = index % CLASSES, (index + 1) % CLASSES
        start = BASE["test"] - hits("test", pruned) + gained(pruned)
        b = label if index < BASE["test"] else wrong
        b_prime = label if start <= index < start + hits("test", pruned) else wrong
        return b, b_prime, b if b == b_prime else CLASSES

    def poisoned_answers(self, index: int, pruned: frozenset[int]) -> tuple[int, int, int]:
        b_prime = 0 if index < hits("poisoned", pruned) else index % CLASSES or 1
        return 0, b_prime, 0 if b_prime == 0 else CLASSES

    def picture(self, index: int, pruned: frozenset[int], poisoned: bool) -> p.Picture | None:
        if ("poisoned" if poisoned else "test") not in self.sets():
            return None
        if poisoned:
            by = self.flagged_by(index, "poisoned")
            return p.Picture(face(index, True), 0, *self.poisoned_answers(index, pruned), by)
        by = self.flagged_by(index, "test")
        return p.Picture(face(index, False), index % CLASSES, *self.clean_answers(index, pruned), by)

    def channel_view(self, channel: int) -> p.ChannelView:
        if channel not in range(CHANNELS):
            raise ValueError(f"there is no channel {channel}.")
        strength = max(0, ORDER.index(channel) - DORMANT) / 10
        clean = tuple(strength * (1 + (place * (channel + 3)) % 7) for place in range(20))
        bad = tuple(value * (2 if place < 8 else 0.5) for place, value in enumerate(clean))
        shown = bad if "poisoned" in self.sets() else None
        return p.ChannelView(channel, 5, 4, clean, shown, self.count(frozenset({channel})))


def face(index: int, poisoned: bool) -> bytes:
    """An oval on a gradient, with a dark band where a trigger would be."""
    pixels = bytearray()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            inside = ((y - 28) / 22) ** 2 + ((x - 23) / 16) ** 2 < 1
            band = poisoned and 17 <= y < 25 and 9 <= x < 38
            skin = (225 - index % 90, 170 - index % 70, 140 - index % 60)
            pixels += bytes((28, 26, 34) if band else skin if inside else (40 + 2 * y, 90, 120 + index % 60))
    return bytes(pixels)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for fault in ("crash", "exit", "hang", "garbage", "long-line", "endless-line", "fail"):
        parser.add_argument(f"--{fault}", metavar="PHASE", default="")
    parser.add_argument("--signal", default="SIGKILL", help="what a crash is sent")
    parser.add_argument("--flood", type=int, default=0, metavar="BYTES", help="printed on stderr at the start")
    parser.add_argument("--no-hello", action="store_true")
    parser.add_argument("--protocol", type=int, default=p.PROTOCOL)
    parser.add_argument("--step-seconds", type=float, default=0.0)
    parser.add_argument("--phase-seconds", type=float, default=0.0)
    parser.add_argument("--missing", default="", help="sets that are not there: test,poisoned,...")
    parser.add_argument("--exists", action="append", default=[], help="name of a B' that is somebody else's")
    parser.add_argument("--gone", action="append", default=[], help="name of a B' that is deleted once it is saved")
    parser.add_argument("--held-by", default=None)
    parser.add_argument("--note", action="append", default=[])
    return parser.parse_args([*shlex.split(os.environ.get("LAB3_FAKE", "")), *sys.argv[1:]])


if __name__ == "__main__":
    try:
        FakeEngine(arguments()).serve()
    except (Leave, BrokenPipeError):
        os._exit(0)
    os._exit(0)
