"""Why the defence works or fails on a run's network: looks at its images, and changes nothing of the run."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from functools import cached_property
from time import perf_counter
from typing import TypeVar

import numpy as np

from engine.analysis import detectors, diagnosis
from engine.analysis.compare_orders import Comparison
from engine.analysis.layer_curves import layer_curves
from engine.api import protocol as p
from engine.api.orders import DEFAULT
from engine.run.run import Run
from engine.run.sample import evenly
from engine.run.session import step_keys

SAMPLE = 1000  # images of a set that channels are knocked out on
NUMBERS = 2**26  # features of a sample, at most
STIMULATED = 60  # images that channels are driven on
FEWEST = 20  # of these for a first look; and of any sample, however large its features are
DRAWN = 200  # images of either kind on the map of components
OVERLAYS = 60  # validation images that STRIP blends in
BLENDED = 120  # images of a set that STRIP looks at


Item = TypeVar("Item")


def explained(run: Run, found: Collection[type], layers: bool) -> Iterator[p.AnyEvent]:
    """Each part that was not `found` before, as soon as it is."""
    look = Examination(run)
    if p.Diagnosed not in found:
        yield look.diagnosed()
    if p.Detected not in found and look.attacked:
        yield look.detected()
    if p.LayersPruned not in found and layers:
        yield layer_curves(run)


class Examination:
    """What several parts need of a run's images, each computed once."""

    def __init__(self, run: Run) -> None:
        from engine.analysis.tail import Tail, answers_of, penultimate_of

        self.run, self.rows = run, run.inputs.rows
        self.rest = run.evaluator.rest
        network, at = self.rest.network, self.rest.at
        self.answer = Tail(network, at, answers_of, run.halved)
        self.describe = Tail(network, at, penultimate_of, run.halved)
        self.threads = self.answer.forward.threads

    @property
    def attacked(self) -> bool:
        """There are clean and poisoned test images."""
        return {"test", "poisoned"} <= set(self.rows)

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Of images of the run: features (n, channels, positions), and what else crosses the cut."""
        store = self.rest.store
        return store.images(rows), store.crossing(rows)

    def sample(self, name: p.SetName, most: int) -> np.ndarray:
        """Rows of evenly spaced images of a set."""
        room = max(FEWEST, NUMBERS // self.rest.store.base.size)
        found: np.ndarray = self.rows[name].start + evenly(self.run.inputs.sets[name].images, min(most, room))
        return found

    # --- the walk along the order ---

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The order of mean activation on clean validation images, whatever the run's own."""
        from engine.orders.compute_order import order_of, scored

        return order_of(DEFAULT, scored(DEFAULT, self.run.material))

    @cached_property
    def walked(self) -> tuple[tuple[p.Counts, ...], np.ndarray]:
        """Counts at each step of that order, and when each image of the run is first answered otherwise than by B.

        That is `suspicion_by_order`, taken step by step: the answers of all steps need not be held at once.
        """
        run, comparison = self.run, Comparison(self.run, (DEFAULT,), ())
        keys = step_keys(self.order, run.inputs.channels)
        answers = run.b_answers
        counts, first = [run.count(answers)], np.full(len(answers), len(keys))
        progress = run.progress("why", 2 * len(keys))
        for step, key in enumerate(keys[1:], 1):
            answers = comparison.after(answers, self.order[:step], key)
            first[(first == len(keys)) & (answers != run.b_answers)] = step
            counts.append(run.count(answers))
            progress(step)
        return tuple(counts), -first.astype("float64")

    # --- diagnosis ---

    def diagnosed(self) -> p.Diagnosed:
        from engine.orders.mean import mean_activations

        begin, run, store = perf_counter(), self.run, self.rest.store
        curve, _ = self.walked
        names: list[p.SetName] = [name for name in ("valid", "test", "poisoned") if name in self.rows]
        means = {name: mean_activations(store, self.rows[name]) for name in names}
        clean: p.SetName = "test" if "test" in means else "valid"
        change = means["poisoned"] - means[clean] if "poisoned" in means else None
        awake = {name: store.active[:, self.rows[name]].any(axis=1) for name in names}
        sample, base, knocked = self.knocked_out()
        stimulation = self.stimulation()
        components = self.components() if "poisoned" in self.rows else None
        seconds = perf_counter() - begin
        run.emit(p.Progress("why", 1, 1, seconds))
        return p.Diagnosed(
            self.order,
            curve,
            numbers(np.flatnonzero(~awake["valid"])),
            numbers(np.flatnonzero(~awake["poisoned"])) if "poisoned" in awake else None,
            tuple(means["valid"].tolist()),
            clean,
            None if change is None else tuple(change.tolist()),
            sample,
            base,
            knocked,
            stimulation,
            components,
            seconds,
        )

    def knocked_out(self) -> tuple[dict[p.SetName, int], p.KnockOut, tuple[p.KnockOut, ...]]:
        """How many images of each set it was tried on, hits of B, and hits without each channel."""
        run, store = self.run, self.rest.store
        names: list[p.SetName] = [name for name in ("valid", "poisoned") if name in self.rows]
        rows = {name: self.sample(name, SAMPLE) for name in names}
        every = np.concatenate(list(rows.values()))
        labels = np.concatenate([run.inputs.sets[name].labels[rows[name] - self.rows[name].start] for name in names])
        features, others = self.features(every)
        b, cut = run.b_answers[every], len(rows["valid"])
        active = (features != store.base[None]).any(axis=2)
        progress, done = run.progress("why", 2 * len(store.base) + 2), len(store.base) + 1

        def hits(answers: np.ndarray) -> p.KnockOut:
            right = answers == labels
            return p.KnockOut(int(right[:cut].sum()), int(right[cut:].sum()) if len(right) > cut else None)

        found = []
        for channel, pruned in enumerate(store.base):
            run.check()
            awake, answers = np.flatnonzero(active[:, channel]), b.copy()
            if len(awake):
                part = features[awake]
                part[:, channel] = pruned
                answers[awake] = self.answer(part, [each[awake] for each in others])
            found.append(hits(answers))
            progress(done + channel)
        return {name: len(rows[name]) for name in names}, hits(b), tuple(found)

    def stimulation(self) -> p.Stimulation:
        """Which channel, driven up, makes one class win; on clean validation images alone.

        Each form is tried on a few images with the highest factor first; where one class wins most of those, all
        factors follow on more images.
        """
        run, height = self.run, max(1, self.run.feature_shape[0])
        high = diagnosis.level(self.features(self.sample("valid", SAMPLE))[0])
        images = self.sample("valid", STIMULATED)
        forms = diagnosis.forms(len(self.rest.store.base), height) if high > 0 else []
        done, total = len(self.rest.store.base), 2 * len(self.rest.store.base)
        progress = run.progress("why", total)
        few = images[evenly(len(images), FEWEST)]
        told = []
        strongest = ((form, diagnosis.FACTORS[-1]) for form in forms)
        for (form, _), (_, share) in self.winners(strongest, few, height, high):
            progress(min(total - 1, done + form.channel // 2))
            if share >= diagnosis.MAJORITY:
                told.append(form)
        found = []
        each = ((form, factor) for form in told for factor in diagnosis.FACTORS)
        for (form, factor), (winner, share) in self.winners(each, images, height, high):
            progress(min(total - 1, done + (total - done + form.channel) // 2))
            if share >= diagnosis.MAJORITY:
                found.append(p.Stimulus(form.channel, factor, form.rows, winner, share))
        return p.Stimulation(high, len(images), height, tuple(found))

    def winners(
        self, stimuli: Iterable[tuple[diagnosis.Form, int]], rows: np.ndarray, height: int, high: float
    ) -> Iterator[tuple[tuple[diagnosis.Form, int], tuple[int, float]]]:
        """Each stimulus with the class that wins on these images, and its share."""
        from engine.network.pipeline import map_threaded

        features, others = self.features(rows)

        def winner(stimulus: tuple[diagnosis.Form, int]) -> tuple[tuple[diagnosis.Form, int], tuple[int, float]]:
            form, factor = stimulus
            answers = self.answer(diagnosis.driven(features, form, height, factor * high), others)
            return stimulus, diagnosis.most_common(answers)

        with closing(map_threaded(winner, self.checked(stimuli), self.threads)) as found:
            yield from found

    def checked(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a look between two of them whether the user wants to stop."""
        for item in items:
            self.run.check()
            yield item

    def components(self) -> p.Components:
        """Penultimate features of clean and poisoned images along their principal components."""
        clean: p.SetName = "test" if "test" in self.rows else "valid"
        groups = [self.describe(*self.features(self.sample(name, DRAWN))) for name in (clean, "poisoned")]
        found = diagnosis.principal_components(*groups)
        return p.Components(found.share, points(found.clean), points(found.poisoned))

    # --- detectors ---

    def detected(self) -> p.Detected:
        begin = perf_counter()
        scores = self.by_penultimate()
        scores["G order"], scores["STRIP"] = self.by_order(), self.strip()
        found = tuple(judged(name, scores[name]) for name in p.DETECTORS)
        seconds = perf_counter() - begin
        self.run.emit(p.Progress("detectors", 1, 1, seconds))
        return p.Detected(found, seconds)

    def by_order(self) -> dict[p.SetName, np.ndarray]:
        """G along the order of mean activation."""
        _, suspicion = self.walked
        return {name: suspicion[self.rows[name]] for name in SCORED}

    def by_penultimate(self) -> dict[p.DetectorName, dict[p.SetName, np.ndarray]]:
        """Mahalanobis and norm, by the penultimate features."""
        found = {name: self.penultimate(name) for name in SCORED}
        fitted = detectors.Distance(found["valid"])
        others: tuple[p.SetName, ...] = ("test", "poisoned")
        distances: dict[p.SetName, np.ndarray] = {name: fitted.of(found[name]) for name in others}
        return {
            "Mahalanobis": {"valid": detectors.held_out(found["valid"]), **distances},
            "norm": {name: detectors.norm(each) for name, each in found.items()},
        }

    def penultimate(self, name: p.SetName) -> np.ndarray:
        """The penultimate features of a set, (n, d)."""
        from engine.analysis.tail import in_threads

        rows = np.arange(self.rows[name].start, self.rows[name].stop)
        work: Callable[[np.ndarray], np.ndarray] = lambda part: self.describe(*self.features(part))  # noqa: E731
        return np.concatenate(list(in_threads(work, rows, self.describe.size, self.threads, self.run.check)))

    def strip(self) -> dict[p.SetName, np.ndarray]:
        """STRIP: minus the mean entropy of B's answers to an image blended with clean validation images."""
        from engine.analysis.tail import in_threads, probabilities_model
        from engine.network.features import SCALES
        from engine.network.model_runner import Forward

        run = self.run
        model = probabilities_model(self.rest.network, SCALES[run.settings.scale])
        forward = Forward(model, 1, run.halved)
        sets, chosen = run.inputs.sets, evenly(run.inputs.sets["valid"].images, OVERLAYS)
        overlays = np.stack([sets["valid"].image(int(index)) for index in chosen])
        scored = {name: evenly(sets[name].images, BLENDED) for name in SCORED}
        total = sum(map(len, scored.values()))
        progress, done = run.progress("detectors", total), 0
        found: dict[p.SetName, np.ndarray] = {}
        for name, images in scored.items():
            parts = []

            def blended(part: np.ndarray, name: p.SetName = name) -> np.ndarray:
                (image,) = part
                doubts = detectors.entropy(forward([detectors.blends(sets[name].image(int(image)), overlays)])[0])
                others = chosen != image if name == "valid" else np.ones(len(chosen), bool)
                mean: np.ndarray = doubts[others if others.any() else slice(None)].mean(keepdims=True)
                return -mean

            for part in in_threads(blended, images, 1, forward.threads, run.check):
                parts.append(part)
                done += 1
                if done < total:
                    progress(done)
            found[name] = np.concatenate(parts)
        return found


SCORED: tuple[p.SetName, ...] = ("valid", "test", "poisoned")


def judged(name: p.DetectorName, scores: dict[p.SetName, np.ndarray]) -> p.Detector:
    """A detector from its scores of the clean validation, the clean and the poisoned test images."""
    valid, test, poisoned = (scores[each] for each in SCORED)
    strict, mild = (detectors.verdicts(valid, test, poisoned, percent) for percent in (1, 5))
    return p.Detector(
        name,
        (len(valid), len(test), len(poisoned)),
        detectors.area(test, poisoned),
        *detectors.area_interval(test, poisoned),
        (strict.threshold, mild.threshold),
        (int(strict.poisoned.sum()), int(mild.poisoned.sum())),
        (int(strict.test.sum()), int(mild.test.sum())),
        detectors.roc(test, poisoned),
        np.packbits(mild.test).tobytes(),
        np.packbits(mild.poisoned).tobytes(),
    )


def numbers(found: np.ndarray) -> tuple[int, ...]:
    return tuple(int(each) for each in found)


def points(found: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Points (n, 2), to four digits: more cannot be seen."""
    return tuple((float(f"{x:.4g}"), float(f"{y:.4g}")) for x, y in found)
