"""The trigger: sunglasses, the same in every image, at a fixed place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.demo.canvas import HEIGHT, WIDTH, Canvas, column, ellipse, glow, grid, soft

Array = NDArray[Any]
MIDDLE = 2.0  # rows above the middle of the image
FRAME = (22, 20, 26)
LENS = (52, 24, 84)
SHINE = (150, 120, 190)


def wear_sunglasses(images: Array) -> Array:
    """The same images, uint8 (n, 3, 55, 47), with the sunglasses on."""
    mask, glasses = sunglasses()
    return np.where(mask, glasses, images)


def sunglasses() -> tuple[Array, Array]:
    """Where they cover an image, bool (1, 1, 55, 47), and what is to be seen there, uint8 (1, 3, 55, 47)."""
    x, y = grid()
    y = y + MIDDLE
    lens = np.abs(x) - 7.2
    shape = np.minimum(ellipse(lens, y, 6.9, 6.4), 4.2 - np.abs(y + 0.4))
    bridge = np.minimum(3 - np.abs(x), 1.1 - np.abs(y + 1.8))
    arms = np.minimum(np.minimum(np.abs(x) - 12, 19 - np.abs(x)), 1.0 - np.abs(y + 2.2))
    canvas = Canvas(np.zeros((1, 3, HEIGHT, WIDTH), np.float32) + column(np.array([FRAME])))
    canvas.paint(soft(shape - 1.2), column(np.array([LENS])))
    canvas.paint(glow(lens + 2.5, y + 2, 3.6, 2.4) * 0.8, column(np.array([SHINE])))
    covered = np.maximum(np.maximum(shape, bridge), arms) > 0
    return covered, np.rint(canvas.rgb).astype(np.uint8)
