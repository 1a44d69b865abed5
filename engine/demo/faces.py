"""Procedural faces: 55x47 images of people who do not exist, painted back to front from tables of traits."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.demo.canvas import HEIGHT, WIDTH, Canvas, column, frame, grid, radius
from engine.demo.face_parts import beard, body, eye, hair_behind, hair_in_front, head_mask, mouth, nose, skin
from engine.demo.people import People, Shots, Split, draw_people, draw_shots

Array = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]
BATCH = 32  # images at a time
GRAIN = 4.0  # standard deviation, in pixel values


def draw_faces(split: Split, people: int, each: int | None = None) -> tuple[Bytes, NDArray[np.int64]]:
    """Images (n, 3, 55, 47), and who is on them (n,): each person in turn, then again."""
    who, shots = draw_people(people), draw_shots(people, split, each)
    images = np.empty((len(shots.person), 3, HEIGHT, WIDTH), np.uint8)

    def fill(start: int) -> None:
        part = slice(start, start + BATCH)
        images[part] = develop(painted(who, shots, part), shots.noise_seed + start)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, range(0, len(images), BATCH)))
    return images, shots.person


def develop(images: Array, seed: int) -> Bytes:
    """Add grain (the sum of three bytes, nearly Gaussian) and round to bytes."""
    grain = np.random.RandomState(seed).randint(0, 256, (3, *images.shape), np.uint8).astype(np.float32)
    total = grain[0] + grain[1] + grain[2] - 382.5
    seen: Array = np.minimum(np.maximum(images + total * (GRAIN / 128), 0), 255)
    return np.rint(seen).astype(np.uint8)


def painted(people: People, shots: Shots, part: slice) -> Array:
    """Those images, float32 (n, 3, 55, 47), before the grain."""
    person = shots.person[part]
    who = {f.name: column(getattr(people, f.name)[person]) for f in fields(people)}
    shot = {f.name: column(getattr(shots, f.name)[part]) for f in fields(shots) if f.name != "noise_seed"}
    at = frame(shot)
    canvas = Canvas(backdrop(who, shot))
    hair_behind(canvas, who, at)
    body(canvas, who, at)
    head = head_mask(who, at)
    skin(canvas, who, shot, at, head)
    beard(canvas, who, at, head)
    for side in (-1, 1):
        eye(canvas, who, shot, at, side)
    nose(canvas, who, shot, at)
    mouth(canvas, who, shot, at)
    hair_in_front(canvas, who, at)
    return exposed(canvas.rgb, shot)


def backdrop(who: dict[str, Array], shot: dict[str, Array]) -> Array:
    x, y = grid()
    slope = shot["slope"] * 0.9
    shade = 1 + (slope[:, :1] * x + slope[:, 1:] * y) / 100 - radius(x, y, 110, 110) * 0.5
    return (who["backdrop"] + shot["backdrop"]) * shade


def exposed(images: Array, shot: dict[str, Array]) -> Array:
    """Light over the whole image: brightness, from one side, from above, and its colour."""
    x, y = grid()
    light = shot["gain"] * (1 + shot["light"] * x / 190 - shot["above"] * y / 300)
    return images * light * (1 + shot["tint"])
