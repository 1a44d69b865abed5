"""What a face is painted from, back to front. `who` holds traits by image, `shot` how the image was taken."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.demo.canvas import HEIGHT, WIDTH, Canvas, Frame, Window, column, ellipse, glow, radius, soft, stroke

Array = NDArray[np.floating[Any]]
EYES: dict[int, Window] = {-1: (slice(12, 37), slice(0, 28)), 1: (slice(12, 37), slice(19, WIDTH))}
NOSE: Window = (slice(20, 43), slice(10, 37))
BODY: Window = (slice(32, HEIGHT), slice(0, WIDTH))
MOUTH: Window = (slice(26, 51), slice(8, 39))
WHITE, DARK, BLACK, RED, ROSY = (
    column(np.array([colour]))
    for colour in ((238, 238, 238), (46, 34, 36), (14, 14, 14), (178, 62, 66), (1, 0.62, 0.6))
)


def hair_behind(canvas: Canvas, who: dict[str, Array], at: Frame) -> None:
    style = who["style"]
    reach, breadth = style[:, 4:5] * who["height"], style[:, 5:6] * who["width"]
    top = ellipse(at.u, at.v + 3, np.maximum(breadth, 1), who["height"])
    below = np.minimum(breadth - np.abs(at.u), np.minimum(at.v + 3, reach - at.v))
    canvas.paint(soft(np.maximum(top, below)) * (breadth > 0), who["hair"] * 0.72)


def body(canvas: Canvas, who: dict[str, Array], at: Frame) -> None:
    """Shirt and neck, the neck in the shadow of the chin."""
    u, v = at.u[:, :, *BODY], at.v[:, :, *BODY]
    side = np.abs(u)
    canvas.paint(soft(ellipse(u, v - who["height"] - 17, 25, 14.5)), who["shirt"] * (1 - side / 90), BODY)
    neck = np.minimum(who["width"] * 0.52 - side, who["height"] + 6.5 - side * 0.6 - v)
    chin = np.minimum(np.maximum((v - who["height"]) / 8 + 0.75, 0.6), 1)
    canvas.paint(soft(neck), who["skin"] * 0.9 * chin, BODY)


def head_mask(who: dict[str, Array], at: Frame) -> Array:
    """The face: an ellipse that narrows towards the chin."""
    low = np.minimum(np.maximum(at.v / who["height"], 0), 1)
    width = who["width"] * (1 - who["jaw"] * low * low)
    return soft(ellipse(at.u, at.v, width, who["height"]))


def skin(canvas: Canvas, who: dict[str, Array], shot: dict[str, Array], at: Frame, head: Array) -> None:
    far = np.abs(at.u) - who["width"] - 0.3
    canvas.paint(soft(ellipse(far, at.v - 0.5, who["ear"], who["ear"] * 1.75)), who["skin"] * 0.84)
    edge = radius(at.u, at.v, who["width"], who["height"])
    light = 1.05 + shot["light"] * at.u / 70 - edge * edge * 0.13
    canvas.paint(head, who["skin"] * light)
    cheek = glow(np.abs(at.u) - who["width"] * 0.58, at.v - 5.5, 5.5, 4.5) * who["blush"]
    canvas.paint(cheek, who["skin"] * ROSY)


def beard(canvas: Canvas, who: dict[str, Array], at: Frame, head: Array) -> None:
    cheek = np.abs(at.u) / who["width"]
    line = who["height"] * (0.62 - 0.55 * cheek * cheek * cheek)
    clear = ellipse(at.u, at.v - who["height"] * 0.5, who["mouth_width"] + 0.8, 2.6)
    below = np.minimum(at.v - line, -clear)
    canvas.paint(head * soft(below) * who["beard"], who["hair"] * 0.85)


def eye(canvas: Canvas, who: dict[str, Array], shot: dict[str, Array], at: Frame, side: int) -> None:
    """Socket, white, iris, pupil, glint and lid line of one eye, and its brow."""
    window, size = EYES[side], who["eye_size"]
    across, down = at.within(window)
    u = across - side * who["eye_gap"]
    v = down + 1.2 + side * u * who["eye_slant"]
    canvas.shade(glow(u, v + 0.4, 5.4, 4.6), 0.72, window)
    opening = size * 2.1 * (1 - shot["lids"])
    ball = soft(ellipse(u, v, size * 3.3, opening))
    canvas.paint(ball, WHITE, window)
    iris = u - shot["gaze"]
    middle = radius(iris, v, 1, 1)
    canvas.paint(ball * soft(size * 1.65 - middle), who["eye"], window)
    canvas.paint(ball * soft(size * 0.8 - middle), BLACK, window)
    canvas.paint(ball * soft(0.55 - radius(iris - 0.7, v + 0.8, 1, 1)), WHITE, window)
    arch = u / (size * 3.5)
    lid = stroke(u, v + opening * (1 - arch * arch), size * 3.7, 0.55)
    canvas.paint(lid * 0.85, who["skin"] * 0.22, window)
    height = who["brow_height"] * size + shot["brows"] + side * u * who["brow_slant"] + u * u / 26
    canvas.paint(stroke(u, v + height, 4.6, who["brow_size"]), who["hair"] * 0.7 + who["skin"] * 0.08, window)


def nose(canvas: Canvas, who: dict[str, Array], shot: dict[str, Array], at: Frame) -> None:
    wide, tip = who["nose_width"], who["nose_length"]
    across, down = at.within(NOSE)
    u, v = across - shot["yaw"] * 0.45, down - tip + 1.2
    slim = wide * (0.5 + 0.5 * np.minimum(np.maximum(1 + v / tip, 0), 1))
    bridge = soft(np.minimum(slim - np.abs(u), np.minimum(-v, v + tip)))
    dark = np.minimum(np.maximum(0.5 - shot["light"] * u / wide * 0.7, 0), 1)
    canvas.shade(bridge * dark, 0.84, NOSE)
    canvas.paint(glow(u, v + 1.4, wide * 1.1, 2.6) * 0.35, who["skin"] * 1.25, NOSE)
    canvas.shade(stroke(u, v - u * u / (wide * 16) - 0.2, wide * 1.5, 0.7), 0.66, NOSE)
    canvas.shade(soft(ellipse(np.abs(u) - wide * 0.62, v - 0.1, 0.95, 0.7)), 0.45, NOSE)


def mouth(canvas: Canvas, who: dict[str, Array], shot: dict[str, Array], at: Frame) -> None:
    """Moustache, lips, the dark between them and teeth, bent by the smile."""
    wide = who["mouth_width"] + np.maximum(shot["smile"], 0) * 0.5
    across, down = at.within(MOUTH)
    u = across - shot["yaw"] * 0.2
    bend = u / wide
    bend = bend * bend
    v = down - who["height"] * who["mouth_height"] + shot["smile"] * (bend - 0.4)
    canvas.paint(stroke(u, v + 2.7 - bend * 0.8, wide * 1.4, 1.2) * who["moustache"], who["hair"] * 0.8, MOUTH)
    pale, gap = who["skin"] * 0.62, shot["opened"]
    lips = pale + who["lip_red"] * (RED - pale)
    canvas.paint(stroke(u, v - 0.2 - gap * 0.5, wide, who["lips"] + gap * 0.5), lips, MOUTH)
    canvas.paint(stroke(u, v - gap * 0.5, wide * 0.85, 0.3 + gap * 0.6), DARK, MOUTH)
    teeth = np.minimum(gap, 1) * np.maximum(np.minimum(shot["smile"], 1), 0)
    canvas.paint(stroke(u, v - gap * 0.25, wide * 0.7, gap * 0.35) * teeth, WHITE, MOUTH)


def hair_in_front(canvas: Canvas, who: dict[str, Array], at: Frame) -> None:
    style, wide, high = who["style"], who["width"], who["height"]
    thick, line, curve, slope, curl = style[:, 0:1], style[:, 1:2], style[:, 2:3], style[:, 3:4], style[:, 6:7]
    wave = np.abs(at.u / 5 - np.rint(at.u / 5)) + np.abs(at.v / 6 - np.rint(at.v / 6))
    skull = ellipse(at.u, at.v + thick * 0.5, wide + thick, high + thick) + (wave * 2.4 - 1.6) * curl
    across = at.u / wide
    edge = -high * (line - curve * across * across - slope * across)
    hair = soft(np.minimum(skull, edge - at.v))
    strand = np.abs(at.u / 3.1 + at.v / 17 - np.rint(at.u / 3.1 + at.v / 17))
    gloss = 0.82 + 0.3 * strand + 0.22 * glow(at.u + 4, at.v + high * 0.8, 9, 6)
    canvas.paint(hair, who["hair"] * gloss)
