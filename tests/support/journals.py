"""Journals made by hand: a run on the lab's own files, as far as it is published, and small runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.api import file_names, lab
from engine.api import protocol as p
from engine.api.published import MODEL, published, published_counts

IMAGES: Mapping[p.SetName, int] = {"valid": 11547, "test": 12830, "poisoned": 12830, "poisoned_valid": 11547}


@dataclass(frozen=True)
class Journalled:
    """What a made-up run holds; `events` plays it as the engine would have told it."""

    counts: Sequence[p.Counts]
    order: tuple[int, ...]
    images: Mapping[p.SetName, int]
    save_at: tuple[str, ...] = ("2", "4", "10", "30")
    save_steps: tuple[int, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)  # of the inputs that are the lab's
    layer: str = "conv_3"
    channels: int | None = None

    def events(self) -> list[p.AnyEvent]:
        """From the beginning to the last step, with what was saved on the way."""
        found = self.opening()
        for step, counts in enumerate(self.counts):
            found += self.step(step, counts)
        return found

    def opening(self) -> list[p.AnyEvent]:
        channels = self.channels or len(self.order)
        settings = p.Settings(
            "/lab", "/lab/models/bd_net.h5", "/lab/data/cl/valid.h5", save_at=self.save_at, save_steps=self.save_steps
        )
        means = tuple(self.order.index(channel) / 7 if channel in self.order else 9.0 for channel in range(channels))
        sets = {
            name: p.SetInfo(lab.PLACES[name].split("/")[-1], images, self.digest(name), self.known(name))
            for name, images in self.images.items()
        }
        opened = p.Opened(
            run="/lab/runs/one",
            model=p.SetInfo("bd_net.h5", 0, self.digest("model"), self.known("model")),
            layer=self.layer,
            feature="pool_3",
            channels=channels,
            classes=1283,
            layers=(),
            sets=sets,
            target="0" if "poisoned" in sets else "",
            device="cpu",
            backend="tensorflow",
            lab=bool(self.digests),
        )
        sha256 = {name: self.digest(name) for name in ("model", *self.images)}
        return [
            p.Began(settings, sha256, {"keras": "3.15.1"}, "2026-01-02T03:04:05+01:00"),
            opened,
            p.Progress("features valid", self.images["valid"], self.images["valid"], 1.5),
            p.Ranked(self.order, False, means, (0,) * channels),
            p.Thresholds(self.save_at),
        ]

    def digest(self, name: str) -> str:
        return self.digests.get(name, f"{len(name):064x}")

    def known(self, name: str) -> str | None:
        """The lab's path of this input, where its digest is the lab's."""
        return {digest: place for place, digest in published().files.items()}.get(self.digest(name))

    def step(self, step: int, counts: p.Counts) -> list[p.AnyEvent]:
        """A step with its crossings and saves. Validation images poisoned are counted at those alone."""
        plain = msgspec.structs.replace(counts, poisoned_valid=None)
        channel = self.order[step - 1] if step else None
        found: list[p.AnyEvent] = [p.Stepped(step, channel, plain, seconds=0.25), p.Moved(step)]
        if step == 0:
            found.append(p.SaveMeasured(0, counts))
        for threshold in self.save_at:
            if self.first(threshold) == step:
                found += [p.Crossed(threshold, step), *self.saves(step, threshold, counts)]
        if step in self.save_steps:
            found += self.saves(step, None, counts)
        return found

    def first(self, threshold: str) -> int | None:
        images, before = self.images["valid"], self.counts[0].valid
        steps = (k for k, at in enumerate(self.counts) if p.reached(threshold, before, at.valid, images))
        return next(steps, None)

    def saves(self, step: int, threshold: str | None, counts: p.Counts) -> list[p.AnyEvent]:
        model = "/lab/models/" + file_names.model_name(suffix=".h5", threshold=threshold, step=step)
        answers = "/lab/runs/one/" + file_names.g_name(threshold=threshold, step=step)
        found: list[p.AnyEvent] = [p.Saved("model", model, "ab" * 32, "written", step, threshold)]
        if "test" in self.images or "poisoned" in self.images:
            found.append(p.Saved("answers", answers, "cd" * 32, "written", step, threshold))
        return [*found, p.SaveMeasured(step, counts)]


def lab_run() -> Journalled:
    """The lab's own files, with the counts that the lab published at every step."""
    facts = published()
    counts = [published_counts(facts.order[:step]) for step in range(len(facts.order) + 1)]
    flagged = [
        msgspec.structs.replace(at, detected=12830 - at.poisoned, false_alarms=12653 - at.g_test)
        for at in counts
        if at is not None and at.poisoned is not None and at.g_test is not None
    ]
    places = {"model": MODEL} | dict(lab.PLACES.items())
    digests = {name: facts.files[place] for name, place in places.items()}
    return Journalled(flagged, facts.order, IMAGES, digests=digests)
