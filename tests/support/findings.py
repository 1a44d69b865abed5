"""Findings of a made-up network, fit for scripted engines: like the lab's, with a target of class 0."""

from collections.abc import Mapping, Sequence
from math import exp

import numpy as np

from engine.api import protocol as p

RAISED = {11: 12.87, 7: 11.71, 16: 7.25, 18: 6.76, 57: 3.51}  # by channel, what the trigger adds
FORMS: tuple[tuple[int, int, tuple[int, int] | None, int, float], ...] = (
    (11, 2, None, 0, 0.74),
    (11, 4, None, 0, 0.98),
    (11, 8, None, 0, 1.0),
    (16, 2, (1, 1), 0, 0.81),
    (16, 4, (1, 1), 0, 0.97),
    (28, 4, None, 793, 0.92),
)
AREAS: Mapping[p.DetectorName, float] = {"G order": 0.62, "STRIP": 0.967, "Mahalanobis": 0.978, "norm": 0.983}


def diagnosed(
    order: Sequence[int], curve: Sequence[p.Counts], means: Sequence[float], images: Mapping[p.SetName, int]
) -> p.Diagnosed:
    """A diagnosis that agrees with a curve. The channels that the trigger raises carry a little of the attack each."""
    attacked, base = "poisoned" in images, curve[0]
    sample: dict[p.SetName, int] = {name: images[name] for name in ("valid", "poisoned") if name in images}
    asleep = tuple(channel for channel in sorted(order) if means[channel] == 0)
    knocked = tuple(
        p.KnockOut(
            max(0, base.valid - int(means[channel] * images["valid"] / 50)),
            max(0, (base.poisoned or 0) - images.get("poisoned", 0) * (channel in RAISED) // 70) if attacked else None,
        )
        for channel in range(len(order))
    )
    change = tuple(RAISED.get(channel, -0.1 * means[channel]) for channel in range(len(order)))
    stimuli = tuple(p.Stimulus(*form) for form in FORMS if form[0] < len(order))
    return p.Diagnosed(
        tuple(order),
        tuple(curve),
        asleep,
        tuple(channel for channel in asleep if channel != asleep[-1])
        if attacked and asleep
        else asleep
        if attacked
        else None,
        tuple(means),
        "test" if "test" in images else "valid",
        change if attacked else None,
        sample,
        p.KnockOut(base.valid, base.poisoned),
        knocked,
        p.Stimulation(45.9, 60, 5, stimuli),
        components() if attacked else None,
        1.5,
    )


def components() -> p.Components:
    """Two clouds that touch."""
    rng = np.random.default_rng(3)
    clean, poisoned = (rng.normal(at, (3, 2), (70, 2)).round(3).tolist() for at in ((-6, 0), (7, 1)))
    return p.Components((0.63, 0.04), tuple(map(tuple, clean)), tuple(map(tuple, poisoned)))


def layers_pruned(images: Mapping[p.SetName, int], layer: str = "conv_3") -> p.LayersPruned:
    """Three layers, each at five steps; accuracy falls first in all of them."""
    sample: dict[p.SetName, int] = {name: min(300, images[name]) for name in ("valid", "poisoned") if name in images}

    def curve(name: str, channels: int, kept: Sequence[float], left: Sequence[float]) -> p.LayerCurve:
        steps = tuple(round(channels * at / 4) for at in range(5))
        poisoned = tuple(int(each * sample["poisoned"]) for each in left) if "poisoned" in sample else None
        return p.LayerCurve(name, channels, steps, tuple(int(each * sample["valid"]) for each in kept), poisoned)

    return p.LayersPruned(
        sample,
        (
            curve("conv_1", 20, (0.98, 0.98, 0.97, 0.6, 0.0), (1, 1, 1, 0.8, 0)),
            curve("conv_2", 40, (0.98, 0.98, 0.98, 0.98, 0.0), (1, 1, 1, 1, 0)),
            curve(layer, 60, (0.98, 0.98, 0.98, 0.95, 0.0), (1, 1, 1, 1, 0)),
        ),
        0,
        2.0,
    )


def detected(images: Mapping[p.SetName, int]) -> p.Detected:
    """Four detectors with the lab's areas; every third clean and every poisoned image but some is flagged."""
    most = tuple(min(70, images[name]) for name in ("valid", "test", "poisoned"))
    return p.Detected(tuple(detector(name, most) for name in p.DETECTORS), 3.0)


def detector(name: p.DetectorName, images: tuple[int, ...]) -> p.Detector:
    """An ROC of the form y = 1 − (1 − x)^k, whose area is k / (k + 1)."""
    area, (valid, test, poisoned) = AREAS[name], images
    power = area / (1 - area)
    roc = tuple((x / 50, 1 - (1 - x / 50) ** power) for x in range(51))
    hits = [int(poisoned * (1 - exp(power * np.log(1 - x)))) for x in (0.01, 0.05)]
    flags = [np.arange(count) % 20 == 0 for count in (test, poisoned)]
    flags[1] = np.arange(poisoned) >= poisoned - hits[1]
    bits = [np.packbits(each).tobytes() for each in flags]
    alarms = (int(test * 0.01), int(flags[0].sum()))
    return p.Detector(
        name, (valid, test, poisoned), area, area - 0.04, min(1.0, area + 0.02), (1.5, 1.2),
        (hits[0], hits[1]), alarms, roc, *bits,
    )  # fmt: skip
