"""A canvas of many images at once, and soft masks of simple shapes.

Everything is float32, and only operations that IEEE 754 rounds the same everywhere are used (+ - * / sqrt, minimum,
maximum, rounding): the images have the same bytes on every machine. Arrays are (n, 3, H, W) for colours and
(n, 1, H, W) for masks and coordinates; numbers that differ by image are (n, 1, 1, 1).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
HEIGHT, WIDTH = 55, 47


def soft(distance: Array) -> Array:
    """A mask from signed distances in pixels: 0 outside, 1 inside, a ramp of one pixel between."""
    mask = distance + 0.5
    np.maximum(mask, 0, out=mask)
    np.minimum(mask, 1, out=mask)
    return mask


def radius(u: Array, v: Array, width: Array | float, height: Array | float) -> Array:
    """1 on the ellipse with these half axes, less within."""
    across, down = u / width, v / height
    square = across * across + down * down
    np.sqrt(square, out=square)
    return square


def ellipse(u: Array, v: Array, width: Array | float, height: Array | float) -> Array:
    """Signed distance to an ellipse around (0, 0), nearly: exact on its edge, where it matters."""
    return (1 - radius(u, v, width, height)) * np.minimum(width, height)


def glow(u: Array, v: Array, width: Array | float, height: Array | float) -> Array:
    """A mask that fades from 1 in the middle to 0 at the edge of an ellipse."""
    return np.maximum(1 - radius(u, v, width, height), 0)


def stroke(u: Array, v: Array, length: Array | float, thickness: Array | float) -> Array:
    """A horizontal line around (0, 0) that thins out towards its ends, both given as halves, as a mask."""
    across = u / length
    return soft((1 - across * across) * (thickness + 0.5) - np.abs(v) - 0.5)


def column(values: Array) -> Array:
    """A vector of n numbers, or (n, 3) colours, shaped to act on images."""
    values = np.asarray(values, np.float32)
    return values.reshape(len(values), -1, 1, 1)


Window = tuple[slice, slice]  # rows and columns
EVERYWHERE: Window = (slice(None), slice(None))


class Canvas:
    """Images being painted back to front. A window says where the mask can be anything but 0."""

    def __init__(self, ground: Array) -> None:
        self.rgb = ground

    def paint(self, mask: Array, colour: Array, window: Window = EVERYWHERE) -> None:
        """Lay `colour`, (n, 3, 1, 1) or a full image, over the images where the mask says so."""
        part = self.rgb[:, :, *window]
        change = colour - part
        change *= mask
        part += change

    def shade(self, mask: Array, factor: float, window: Window = EVERYWHERE) -> None:
        """Multiply the images by `factor` where the mask is 1, by 1 where it is 0."""
        part = self.rgb[:, :, *window]
        part *= 1 + mask * (factor - 1)


def grid() -> tuple[Array, Array]:
    """Columns and rows of the pixels, from the middle of an image."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return columns[None, None] - (WIDTH - 1) / 2, rows[None, None] - (HEIGHT - 1) / 2


@dataclass(frozen=True)
class Frame:
    """A face's own coordinates in n images: `u` to the right and `v` down from its middle, in pixels."""

    u: Array
    v: Array
    yaw: Array  # by how much eyes, nose and mouth move within the face when the head turns
    pitch: Array

    def within(self, window: Window) -> tuple[Array, Array]:
        """The coordinates of eyes, nose and mouth in that part of the images."""
        return self.u[:, :, *window] - self.yaw, self.v[:, :, *window] - self.pitch


def frame(shot: dict[str, Array]) -> Frame:
    x, y = grid()
    x, y = x - shot["left"], y - shot["up"]
    turn = shot["turn"]
    size = shot["scale"] * np.sqrt(1 + turn * turn)
    return Frame((x + y * turn) / size, (y - x * turn) / size, shot["yaw"], shot["pitch"])
