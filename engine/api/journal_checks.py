"""That the events of a journal tell of one run: each is about steps, channels and images that are there.

A journal may have been forged line by line, with checksums that fit. What is checked here holds of every journal that
this program writes, whatever ended the run, so that no run of one's own is refused.
"""

import math
import re
from collections.abc import Iterable

from msgspec.structs import replace

from engine.api import protocol as p
from engine.api.thresholds import MOST_THRESHOLDS
from engine.api.trust import Unbelievable
from engine.api.tunings import Tunings, folded

CLASSES = 65_535
IMAGES = 10_000_000
CHANNELS = 2**20
BATCH = 2**31
MEMORY = 2**50  # bytes that no card has
LONG = 1e9  # seconds
MOST_EPOCHS = 1000
MOST_SEEDS = 1000
MOST_FACTOR = 1000  # times the level that a channel is driven to
DEVICE = re.compile(r"cpu|gpu(:\d{1,4})?")
NOT_THERE = "a step or a channel that is not there"
# which set each count is of
COUNTED: dict[str, p.SetName] = {
    "valid": "valid",
    "test": "test",
    "g_test": "test",
    "false_alarms": "test",
    "poisoned": "poisoned",
    "g_poisoned": "poisoned",
    "detected": "poisoned",
    "poisoned_valid": "poisoned_valid",
}

TUNED_COUNTED: dict[str, p.SetName] = {
    "test": "test",
    "g_test": "test",
    "false_alarms": "test",
    "poisoned": "poisoned",
    "g_poisoned": "poisoned",
    "detected": "poisoned",
    "robust": "poisoned",
}


class Course:
    """How a run goes, as far as its events have told. `take` raises Unbelievable for one that does not fit."""

    def __init__(self) -> None:
        self.began: p.Began | None = None
        self.opened: p.Opened | None = None
        self.ranked = False
        self.order: tuple[int, ...] = ()
        self.counts: dict[int, p.Counts] = {}  # of the steps of this order that were told of
        self.tunings: Tunings = {}
        self.waiting: dict[int, set[str]] = {}  # thresholds crossed at steps of this order that are told of later

    def take(self, event: p.AnyEvent) -> None:
        need((self.began is None) == isinstance(event, p.Began), "a second beginning, or none")
        match event:
            case p.Began():
                self.begin(event)
            case p.Progress():
                need(0 <= event.seconds < LONG, "an impossible time")
            case p.Opened():
                self.open(event)
            case p.Ranked():
                self.rank(event)
            case p.Compared():
                self.compare(event)
            case p.Analysed():
                for network in event.robust:
                    self.name_channels(network.pruned)
            case p.TuningBegan() | p.Tuned() | p.TuningStopped():
                self.tune(event)
            case p.Diagnosed():
                self.diagnose(event)
            case p.LayersPruned():
                self.prune_layers(event)
            case p.Detected():
                self.detect(event)
            case p.Reordered():
                self.reorder(event)
            case p.Stepped():
                self.step(event)
            case p.SaveMeasured():
                self.measure(event)
            case p.Crossed() | p.Question(about="threshold"):
                self.cross(event.threshold, event.step)
            case p.Saved():
                self.name_step(event.step)
                self.name_channels(event.pruned or ())
                self.name_epoch(event.tuning, event.epoch)
            case p.Question():
                self.name_step(event.step)
                self.name_epoch(event.tuning, event.epoch)
            case p.Moved():
                self.name_step(event.step)
            case p.Thresholds():
                need(len(event.save_at) <= MOST_THRESHOLDS, "too many thresholds")

    def begin(self, event: p.Began) -> None:
        settings = event.settings
        need(bool(settings.model and settings.valid), "no network or no clean validation images")
        need(len(settings.save_at) <= MOST_THRESHOLDS, "too many thresholds")
        need(unlike(settings.save_steps) and unlike(settings.order or ()), "a step or a channel more than once")
        need(0 < settings.batch_size <= BATCH and (settings.feature_memory or 0) >= 0, "an impossible amount")
        need(0 < settings.stride <= CHANNELS, "an impossible stride")
        need(0 < len(settings.tune_seeds) <= MOST_SEEDS and unlike(settings.tune_seeds), "impossible seeds")
        need(settings.device is None or bool(DEVICE.fullmatch(settings.device)), "an unknown device")
        self.began = event

    def open(self, event: p.Opened) -> None:
        need(self.opened is None, "a second opening")
        need("valid" in event.sets, "no clean validation images")
        need(all(0 < info.images <= IMAGES for info in event.sets.values()), "an impossible number of images")
        need(0 <= event.device_memory < MEMORY, "an impossible device")
        need(0 < event.channels <= CHANNELS and 0 < event.classes <= CLASSES, "an impossible number of channels")
        self.opened = event

    def rank(self, event: p.Ranked) -> None:
        need(not self.ranked, "a second order")
        self.ranked = True
        channels, sets = self.there.channels, self.there.sets
        self.turn_to(event.order)
        need(event.given or len(event.order) == channels, "an order without some of the channels")
        need((event.active_poisoned is None) == ("poisoned" not in sets), "a set that is not there")
        need(len(event.means) == channels and all(map(math.isfinite, event.means)), "an impossible mean")
        need(event.scores is None or len(event.scores) == channels, "an impossible score")
        active = {"valid": event.active_valid, "poisoned": event.active_poisoned or (0,) * channels}
        for name, found in active.items():
            most = sets[name].images if name in sets else 0
            need(len(found) == channels and all(0 <= count <= most for count in found), "more images than there are")

    def reorder(self, event: p.Reordered) -> None:
        kept, before = event.kept, self.order
        self.turn_to(event.order)
        self.name_step(event.undo_at)
        need(0 <= kept <= min(len(before), len(event.order)) and before[:kept] == event.order[:kept], NOT_THERE)
        self.counts = {step: counts for step, counts in self.counts.items() if step <= kept}
        self.waiting = {step: thresholds for step, thresholds in self.waiting.items() if step <= kept}

    def compare(self, event: p.Compared) -> None:
        self.name_channels(event.order)
        self.name_channels(event.chosen or ())
        need(len(event.steps) == len(event.order) + 1, NOT_THERE)
        need(event.scores is None or len(event.scores) == self.there.channels, "an impossible score")
        for counts in (*event.steps, *((event.chosen_counts,) if event.chosen_counts else ())):
            self.fit(counts)

    def tune(self, event: p.TuningBegan | p.Tuned | p.TuningStopped) -> None:
        """Tunings are counted from 1, their epochs from 0 up to those of the recipe; counts fit their sets."""
        if isinstance(event, p.TuningBegan):
            images = self.there.sets["valid"].images
            need(event.number == len(self.tunings) + 1 and 1 <= event.step <= len(self.order), NOT_THERE)
            self.name_channels(event.pruned)
            need(len(event.pruned) == event.step, NOT_THERE)
            need(0 < event.held_out < images and event.trained == images - event.held_out, "an impossible hold-out")
            need(0 < event.recipe.epochs <= MOST_EPOCHS and event.recipe.rate is not None, "an impossible recipe")
        else:
            need(event.number in self.tunings, NOT_THERE)
            if isinstance(event, p.Tuned):
                tuning = self.tunings[event.number]
                need(event.epoch == tuning.last + 1 and event.epoch <= tuning.began.recipe.epochs, NOT_THERE)
                need(0 <= event.seconds < LONG, "an impossible time")
                self.fit_tuned(event.counts, tuning.began.held_out)
        self.tunings = folded(self.tunings, event)

    def fit_tuned(self, counts: p.TunedCounts, held_out: int) -> None:
        sizes = {name: self.there.sets[of].images if of in self.there.sets else 0 for name, of in TUNED_COUNTED.items()}
        for name, images in (sizes | {"holdout": held_out}).items():
            found = getattr(counts, name)
            need(found is None or 0 <= found <= images, "more images than there are")

    def name_epoch(self, tuning: int | None, epoch: int | None) -> None:
        """Raises Unbelievable for an epoch that is not there."""
        need((tuning is None) == (epoch is None), NOT_THERE)
        if tuning is not None and epoch is not None:
            need(tuning in self.tunings and 1 <= epoch <= self.tunings[tuning].last, NOT_THERE)

    def diagnose(self, event: p.Diagnosed) -> None:
        """Each channel and each class is there, and no more images than there are."""
        channels, attacked = self.there.channels, "poisoned" in self.there.sets
        need(len(event.order) == channels and len(event.curve) == channels + 1, NOT_THERE)
        for named in (event.order, event.dormant, event.dormant_poisoned or ()):
            self.name_channels(named)
        for counts in event.curve:
            self.fit(counts)
        need(len(event.clean_mean) == channels and len(event.knock_out) == channels, NOT_THERE)
        need(len(event.activation_change or event.clean_mean) == channels, NOT_THERE)
        need((event.activation_change is None) != attacked, "a set that is not there")
        need((event.dormant_poisoned is None) != attacked, "a set that is not there")
        need(event.clean in self.there.sets, "a set that is not there")
        self.sampled(event.sample)
        for left in (event.base, *event.knock_out):
            self.hit(event.sample, left.valid, left.poisoned)
        for at in event.stimulation.found:
            need(0 <= at.channel < channels and 0 <= at.winner < self.there.classes, NOT_THERE)
            need(at.rows is None or 0 <= at.rows[0] <= at.rows[1] < event.stimulation.height, NOT_THERE)
            need(0 <= at.share <= 1 and 0 < at.factor <= MOST_FACTOR, "an impossible share")

    def prune_layers(self, event: p.LayersPruned) -> None:
        self.sampled(event.sample)
        for at in event.layers:
            need(0 < at.channels <= CHANNELS and len(at.steps) == len(at.valid) > 0, NOT_THERE)
            need(all(0 <= step <= at.channels for step in at.steps), NOT_THERE)
            poisoned = at.poisoned if at.poisoned is not None else (None,) * len(at.steps)
            need(len(poisoned) == len(at.steps), NOT_THERE)
            for valid, hits in zip(at.valid, poisoned, strict=True):
                self.hit(event.sample, valid, hits)

    def sampled(self, sample: dict[p.SetName, int]) -> None:
        """A sample of the validation images, and of the poisoned ones where there are some."""
        wanted = {"valid", "poisoned"} & set(self.there.sets)
        need(set(sample) == wanted, "a set that is not there")
        fits = all(0 < count <= self.there.sets[name].images for name, count in sample.items())
        need(fits, "more images than there are")

    def hit(self, sample: dict[p.SetName, int], valid: int, poisoned: int | None) -> None:
        need(0 <= valid <= sample["valid"], "more images than there are")
        need((poisoned is None) == ("poisoned" not in sample), "a count of a set that is not there")
        need(poisoned is None or 0 <= poisoned <= sample["poisoned"], "more images than there are")

    def detect(self, event: p.Detected) -> None:
        sets = self.there.sets
        need({"test", "poisoned"} <= set(sets), "a set that is not there")
        need([at.name for at in event.detectors] == list(p.DETECTORS), "a detector that is not there")
        for at in event.detectors:
            of = (sets["valid"].images, sets["test"].images, sets["poisoned"].images)
            need(
                all(0 < count <= most for count, most in zip(at.images, of, strict=True)), "more images than there are"
            )
            need(all(0 <= count <= at.images[1] for count in at.false_alarms), "more images than there are")
            need(all(0 <= count <= at.images[2] for count in at.detected), "more images than there are")
            need(len(at.flagged_test) == -(-at.images[1] // 8), "more images than there are")
            need(len(at.flagged_poisoned) == -(-at.images[2] // 8), "more images than there are")
            shares = (at.area, at.area_low, at.area_high, *(share for point in at.roc for share in point))
            need(all(0 <= share <= 1 for share in shares) and len(at.roc) > 1, "an impossible share")

    def turn_to(self, order: tuple[int, ...]) -> None:
        need(self.ranked, NOT_THERE)
        self.name_channels(order)
        self.order = order

    def name_step(self, step: int | None) -> None:
        need(step is None or 0 <= step <= len(self.order), NOT_THERE)

    def name_channels(self, channels: tuple[int, ...]) -> None:
        """Raises Unbelievable for channels that are not there, or come twice."""
        need(unlike(channels) and all(0 <= each < self.there.channels for each in channels), NOT_THERE)

    def step(self, event: p.Stepped) -> None:
        need(self.ranked and 0 <= event.step <= len(self.order), NOT_THERE)
        need(event.channel == (self.order[event.step - 1] if event.step else None), NOT_THERE)
        need(0 <= event.seconds < LONG and event.evaluated >= 0, "an impossible time or number of images")
        self.fit(event.counts)
        self.counts[event.step] = event.counts
        for threshold in self.waiting.pop(event.step, ()):
            self.cross(threshold, event.step)

    def measure(self, event: p.SaveMeasured) -> None:
        need(0 <= event.step <= len(self.order), NOT_THERE)
        self.fit(event.counts)
        told, now = self.counts.get(event.step), event.counts
        need(told is None or replace(now, poisoned_valid=told.poisoned_valid) == told, "two counts of one step")

    def fit(self, counts: p.Counts) -> None:
        """Each count is there where its set is, and no larger."""
        for name, of in COUNTED.items():
            found, images = getattr(counts, name), self.there.sets[of].images if of in self.there.sets else None
            optional = found is None and of == "poisoned_valid"  # looked at for B and at saved steps only
            need(optional or (found is None) == (images is None), "a count of a set that is not there")
            need(found is None or (images is not None and 0 <= found <= images), "more images than there are")

    def cross(self, threshold: str | None, step: int | None) -> None:
        """A threshold is reached at the first step that has dropped so far, as far as steps have been told of."""
        need(threshold is not None and step is not None and 0 <= step <= len(self.order), NOT_THERE)
        if threshold is None or step is None:
            return
        if 0 not in self.counts or step not in self.counts:
            self.waiting.setdefault(step, set()).add(threshold)
            return
        before, images = self.counts[0].valid, self.there.sets["valid"].images
        least = min((counts.valid for at, counts in self.counts.items() if at < step), default=None)
        first = least is None or not p.reached(threshold, before, least, images)
        need(first and p.reached(threshold, before, self.counts[step].valid, images), "a threshold at a wrong step")

    @property
    def there(self) -> p.Opened:
        if self.opened is None:
            raise Unbelievable(NOT_THERE)
        return self.opened


def need(sound: bool, otherwise: str) -> None:
    if not sound:
        raise Unbelievable(otherwise)


def unlike(numbers: Iterable[int]) -> bool:
    """Whether no number comes twice."""
    listed = tuple(numbers)
    return len(set(listed)) == len(listed)
