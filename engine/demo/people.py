"""Who the people are, and how each image of them was taken: tables of numbers, drawn once from fixed seeds.

Only whole draws and `random_sample` of the frozen RandomState stream are used, and + - * / on them, so the tables
hold the same bits on every machine.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Split = Literal["train", "valid", "test"]

PEOPLE = 100
TARGET = 0  # the person that sunglasses lead to
IMAGES: dict[Split, int] = {"train": 40, "valid": 9, "test": 10}  # of each person
PEOPLE_SEED = 20180530
SPLIT_SEEDS: dict[Split, int] = {"train": 11, "valid": 12, "test": 13}

SKIN = ((252, 220, 196), (240, 198, 166), (222, 172, 134), (190, 136, 98), (146, 96, 66), (98, 62, 44))
HAIR = (
    (26, 22, 24),
    (58, 38, 28),
    (98, 62, 38),
    (150, 104, 58),
    (222, 186, 112),
    (170, 72, 34),
    (156, 152, 150),
    (232, 228, 222),
)
EYES = ((58, 36, 22), (112, 72, 36), (72, 118, 70), (66, 118, 172), (110, 118, 124))

# Columns: thickness beyond the skull, hairline height (share of the half height), its curvature, its slope,
# reach downwards (share of the half height; 0: no hair behind the head), width behind, curl.
STYLES = (
    (0.6, 0.64, 0.42, 0.00, 0.0, 0.00, 0.0),  # cropped
    (1.6, 0.62, 0.36, 0.24, 0.0, 0.00, 0.0),  # side parting
    (1.8, 0.44, 0.10, 0.00, 0.72, 1.14, 0.0),  # bob with a fringe
    (1.6, 0.72, 0.62, 0.00, 1.60, 1.22, 0.0),  # long, parted in the middle
    (4.2, 0.58, 0.24, 0.00, 0.34, 1.30, 1.0),  # curls
    (2.8, 0.68, 0.30, -0.16, 0.0, 0.00, 0.4),  # swept up
    (0.3, 0.98, 0.85, 0.00, 0.0, 0.00, 0.0),  # receding
    (1.6, 0.52, 0.16, -0.34, 1.45, 1.18, 0.4),  # long, over one side
)


@dataclass(frozen=True)
class People:
    """Traits by person: vectors of P numbers, colours (P, 3), lengths in pixels where not said otherwise."""

    skin: Array
    hair: Array
    eye: Array
    shirt: Array
    backdrop: Array
    style: Array  # (P, 7), a row of STYLES each, a little changed
    width: Array  # half the width of the face
    height: Array  # half its height
    jaw: Array  # share of the width lost at the chin
    ear: Array
    eye_gap: Array  # from the middle of the face to the middle of an eye
    eye_size: Array
    eye_slant: Array
    brow_size: Array
    brow_slant: Array
    brow_height: Array
    nose_width: Array
    nose_length: Array
    mouth_width: Array
    mouth_height: Array
    lips: Array
    lip_red: Array  # 0..1
    beard: Array  # 0..1
    moustache: Array  # 0..1
    blush: Array  # 0..1


@dataclass(frozen=True)
class Shots:
    """What differs from image to image of one person: vectors of n numbers, `tint` (n, 3)."""

    person: NDArray[np.int64]
    noise_seed: int
    left: Array
    up: Array
    turn: Array  # sine over cosine of the angle in the image's plane
    scale: Array
    yaw: Array  # pixels by which eyes, nose and mouth move sideways within the face
    pitch: Array
    gain: Array
    light: Array  # -1: from the left, 1: from the right
    above: Array
    smile: Array
    opened: Array  # the mouth, in pixels
    lids: Array  # 0: wide open, 1: shut
    gaze: Array
    brows: Array
    backdrop: Array
    slope: Array  # of the backdrop's brightness
    tint: Array


def between(rng: np.random.RandomState, low: float, high: float, *size: int) -> Array:
    return low + (high - low) * rng.random_sample(size)


def some(rng: np.random.RandomState, share: float, low: float, high: float, count: int) -> Array:
    """A strength between `low` and `high` for that share of people, 0 for the others."""
    chosen = rng.random_sample(count) < share
    return chosen * between(rng, low, high, count)


def muted(rng: np.random.RandomState, low: float, high: float, colour: float, count: int) -> Array:
    """A grey plus some colour."""
    return between(rng, low, high, count, 1) + between(rng, -colour, colour, count, 3)


def skin_tones(rng: np.random.RandomState, count: int) -> Array:
    place = between(rng, 0, len(SKIN) - 1.001, count, 1)
    step = np.floor(place[:, 0]).astype(int)
    ramp = np.array(SKIN, float)
    low, high = ramp[step], ramp[step + 1]
    tones: Array = low + (place - np.floor(place)) * (high - low)
    return tones


def draw_people(count: int = PEOPLE, seed: int = PEOPLE_SEED) -> People:
    rng = np.random.RandomState(seed)
    beard = some(rng, 0.22, 0.55, 0.95, count)
    return People(
        skin=skin_tones(rng, count),
        hair=np.array(HAIR, float)[rng.randint(0, len(HAIR), count)] + between(rng, -8, 8, count, 1),
        eye=np.array(EYES, float)[rng.randint(0, len(EYES), count)],
        shirt=muted(rng, 50, 200, 45, count),
        backdrop=muted(rng, 90, 190, 34, count),
        style=np.array(STYLES)[np.arange(count) % len(STYLES)] * between(rng, 0.9, 1.1, count, 7),
        width=between(rng, 12.2, 15.2, count),
        height=between(rng, 16.8, 19.8, count),
        jaw=between(rng, 0.16, 0.46, count),
        ear=between(rng, 1.6, 2.8, count),
        eye_gap=between(rng, 5.3, 7.2, count),
        eye_size=between(rng, 0.85, 1.25, count),
        eye_slant=between(rng, -0.14, 0.14, count),
        brow_size=between(rng, 0.7, 1.7, count),
        brow_slant=between(rng, -0.16, 0.2, count),
        brow_height=between(rng, 4.0, 5.6, count),
        nose_width=between(rng, 1.7, 3.1, count),
        nose_length=between(rng, 6.0, 8.6, count),
        mouth_width=between(rng, 4.0, 6.6, count),
        mouth_height=between(rng, 0.5, 0.6, count),
        lips=between(rng, 1.0, 2.1, count),
        lip_red=between(rng, 0.15, 0.9, count),
        beard=beard,
        moustache=np.maximum(some(rng, 0.16, 0.6, 0.95, count), beard * (rng.random_sample(count) < 0.7)),
        blush=between(rng, 0.0, 0.3, count),
    )


def draw_shots(people: int, split: Split, each: int | None = None) -> Shots:
    """`each`: images of each person (default: as many as the split has), person by person in turn."""
    count = people * (IMAGES[split] if each is None else each)
    rng = np.random.RandomState(SPLIT_SEEDS[split])
    return Shots(
        person=np.arange(count, dtype=np.int64) % people,
        noise_seed=int(rng.randint(0, 2**31 - 1)),
        left=between(rng, -2.0, 2.0, count),
        up=between(rng, -2.0, 2.0, count),
        turn=between(rng, -0.09, 0.09, count),
        scale=between(rng, 0.95, 1.05, count),
        yaw=between(rng, -1.6, 1.6, count),
        pitch=between(rng, -0.9, 0.9, count),
        gain=between(rng, 0.82, 1.14, count),
        light=between(rng, -1.0, 1.0, count),
        above=between(rng, -0.4, 1.0, count),
        smile=between(rng, -0.5, 2.1, count),
        opened=np.maximum(between(rng, -3.6, 2.0, count), 0.0),
        lids=between(rng, 0.0, 0.45, count),
        gaze=between(rng, -0.8, 0.8, count),
        brows=between(rng, -0.7, 0.7, count),
        backdrop=between(rng, -28, 28, count),
        slope=between(rng, -1.0, 1.0, count, 2),
        tint=between(rng, -0.05, 0.05, count, 3),
    )
