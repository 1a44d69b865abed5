"""The panes of the screen *why*, as rows: verdict, channels, driven channels, phases, features, detectors."""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

from engine.api import explanation
from engine.api import protocol as p
from engine.api.explanation import FALL, WINS, Findings
from tui.widgets.cell_rows import Part, Row, blank, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.event_log import fold
from tui.widgets.points import Axis, Point, points_rows, rounded_ticks

MARKS: dict[p.DetectorName, tuple[str, str]] = {
    "G order": ("g", "g"), "STRIP": ("s", "t"), "Mahalanobis": ("m", "v"), "norm": ("n", "a"),
}  # fmt: skip
EIGHTHS = " ▁▂▃▄▅▆▇█"
BAR = 10  # cells of a bar
NAMED = 4  # channels with their number in the scatter
SIDE_BY_SIDE = 70  # columns from which a scatter stands beside its table
TABLE = 50  # columns of the table of channels
FALSE_ALARMS = ((0.0, "0"), (0.01, "1 %"), (0.05, "5 %"), (0.2, "20 %"), (0.5, "50 %"), (1.0, "100 %"))


class Pane(NamedTuple):
    """`told` is the sentence above the picture; `oracle`: it looks at poisoned images."""

    title: str
    oracle: bool
    told: Callable[[Findings], str]
    draw: Callable[[Findings, int, int, int], list[Row]]


def pane_rows(pane: Pane, found: Findings, channel: int, width: int, height: int, current: bool) -> list[Row]:
    """A title with what it looks at, the sentence, the picture."""
    badge: Part = ("ORACLE ", "e") if pane.oracle else ("clean images alone ", "s")
    attacked = found.diagnosed.activation_change is not None
    badge = badge if attacked or not pane.oracle else ("", ".")
    rule = "─" * max(0, width - len(pane.title) - len(badge[0]) - 5)
    head: list[Part] = [("▸" if current else " ", "k"), (f"{pane.title} ", "b"), (rule, "l"), (" ", "."), badge]
    lines = fold(pane.told(found), max(8, width - 3)) if pane.told is not no_sentence else []
    most = max(1, height // 2)
    lines = lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: max(0, width - 5)] + " …"]
    rows = [row(width, *head), *(row(width, (f"  {line}", ".")) for line in lines)]
    left = height - len(rows)
    return [*rows, *pane.draw(found, channel, width, left)][:height] if left > 0 else rows[:height]


def no_sentence(_found: Findings) -> str:
    return ""


# --- verdict ---


def verdict_pane(found: Findings, _channel: int, width: int, height: int) -> list[Row]:
    """The verdict, its evidence and its doubts, as far as there is room."""
    given = explanation.verdict(found)
    ink = {"plain": "s", "pruning-aware": "e", "undecided": "t"}[given.name]
    rows = [row(width, (f"  {given.name}", ink))]
    rows += [row(width, (f"  {line}", "b")) for line in fold(given.meaning, max(8, width - 3))]
    signed = [("+", "s", line) for line in given.evidence] + [("?", "t", line) for line in given.doubt]
    for sign, colour, text in signed:
        for at, line in enumerate(fold(text, max(8, width - 5))):
            rows.append(row(width, (f"  {sign if not at else ' '} ", colour), (line, ".")))
    if len(rows) > height:
        rows = [*rows[: height - 1], row(width, ("    … more in report.md (e), or on a larger screen", "d"))]
    return rows


# --- channels ---


def channels_pane(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """The scatter of activation change against clean mean, and what each channel's loss does."""
    if width >= SIDE_BY_SIDE:
        left = scatter(found, channel, width - TABLE - 1, height)
        return beside(left, channel_table(found, channel, TABLE, height), 1)
    share = (height + 1) // 2 if height >= 12 else 0
    upper = scatter(found, channel, width, share) if share else []
    return [*upper, *channel_table(found, channel, width, height - share)]


def beside(left: Sequence[Row], right: Sequence[Row], gap: int) -> list[Row]:
    """Rows side by side."""
    return [
        Row(one.text + " " * gap + other.text, one.ink + "." * gap + other.ink)
        for one, other in zip(left, right, strict=True)
    ]


def scatter(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    at = found.diagnosed
    if at.activation_change is None:
        return [row(width, ("  no poisoned images, so no change to show", "d")), *[blank(width)] * (height - 1)][
            :height
        ]
    top = explanation.raised(found)[:NAMED]
    points = [
        Point(mean, change, "◆" if c == channel else "•", "p" if c == channel else "a" if c in top else "c", label)
        for c, (mean, change) in enumerate(zip(at.clean_mean, at.activation_change, strict=True))
        for label in [str(c) if c in top or c == channel else ""]
    ]
    points.sort(key=lambda point: (point.mark == "◆", bool(point.label)))
    low, high = min(0.0, *at.activation_change), max(0.0, *at.activation_change)
    across = Axis(0.0, max(at.clean_mean) or 1.0, rounded_ticks(0.0, max(at.clean_mean) or 1.0))
    drawn = points_rows(points, across, Axis(low, high, rounded_ticks(low, high)), width, max(0, height - 1))
    return [row(width, (" change by trigger", "a"), (" / mean", "v")), *drawn]


class Line(NamedTuple):
    """A channel in the table: what it is on clean images, and what its loss does."""

    channel: int
    mean: float
    change: float | None
    lost: float
    left: float | None


def lines(found: Findings) -> list[Line]:
    """Every channel, the one that the trigger raises most first."""
    at = found.diagnosed
    return [
        Line(
            c,
            at.clean_mean[c],
            at.activation_change[c] if at.activation_change else None,
            *explanation.knocked(found, c),
        )
        for c in explanation.raised(found)
    ]


def channel_table(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """Channels with their mean, their change, and bars for what is left without them."""
    if height < 2:
        return [blank(width)] * height
    every, room = lines(found), height - 1
    at = next((i for i, line in enumerate(every) if line.channel == channel), 0)
    top = max(0, min(at - room // 3, len(every) - room))
    seen = every[top : top + room]
    bar = scrollbar(top, room, len(every))
    head = " channel   mean  change  without it: acc"
    rows = [row(width, (head, "d"), ("   ASR", "d") if found.diagnosed.base.poisoned is not None else ("", "d"))]
    for line, thumb in zip(seen, bar, strict=False):
        change = "" if line.change is None else f"{round(line.change, 2) or 0.0:+.2f}"
        lost = f"{p.format_drop(line.lost)} pt"
        parts: list[Part] = [
            (f"{'▸' if line.channel == channel else ' '}{line.channel:>7} {line.mean:>6.3g} ", "."),
            (f"{change:>7} ", "a"),
            (f"{lost:>12}", "v"),
        ]
        if line.left is not None:
            parts += [(f" {line.left:>6.1f} ", "a"), (bar_of(line.left, 100, max(0, min(BAR, width - 45))), "a")]
        made = row(width - 1, *parts, back="cursor" if line.channel == channel else "")
        rows.append(Row(made.text + thumb, made.ink + "d", made.back))
    return [*rows, *[blank(width)] * (height - len(rows))]


def bar_of(value: float, whole: float, cells: int) -> str:
    """A bar, to an eighth of a cell."""
    eighths = round(8 * cells * value / whole) if whole else 0
    full, rest = divmod(max(0, min(8 * cells, eighths)), 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


# --- driven channels ---


def driven_pane(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """The weakest stimulus for each class, then all that is known of the highlighted channel."""
    target = explanation.target_of(found)
    own = [at for at in found.diagnosed.stimulation.found if at.channel == channel]
    given = explanation.hints(found)
    rows = [row(width, (f"  class channel where      times share, ≥ {100 * WINS:.0f} %", "d"))]
    share = max(1, height - 3 - min(len(own), 6)) if height > 6 else max(1, height - 1)
    if target is not None:
        given.sort(key=lambda at: at.winner != target)
    rows += [stimulus_row(at, at.winner == target, channel, width) for at in given[:share]]
    rows += [] if given else [row(width, ("  no class wins on so many images", "d"))]
    if len(given) > share:
        more = (
            f"… {len(given) - share + 1} classes more"
            if share > 1
            else f"{len(given)} classes: a larger screen lists them"
        )
        rows[-1] = row(width, (f"  {more}", "d"))
    rows.append(
        row(
            width, (f"  channel {channel}, highlighted", "b"), (", wherever one class wins on half" if own else "", "d")
        )
    )
    rows += [stimulus_row(at, at.winner == target, -1, width) for at in own]
    rows += [] if own else [row(width, ("  driven up, it makes no class win on half of the images", "d"))]
    return rows[:height]


def stimulus_row(at: p.Stimulus, target: bool, channel: int, width: int) -> Row:
    where = "everywhere" if at.rows is None else explanation.rows_told(at.rows)
    ink = "a" if target else "."
    return row(
        width,
        (f"  {at.winner:>5} {at.channel:>7} {where:<10} {at.factor:>5} {100 * at.share:>5.0f} % ", ink),
        (bar_of(at.share, 1, BAR), ink),
        (" target" if target else "", "a"),
        back="cursor" if at.channel == channel else "",
    )


# --- phases and layers ---


def phases_pane(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """The curve in the order of mean activation as two lines of bars, its phases, and every layer's own."""
    del channel
    at, told = found.diagnosed, explanation.phases(found)
    valid = [p.percent(counts.valid, found.images["valid"]) for counts in at.curve]
    attack = [explanation.asr(found, step) for step in range(len(at.curve))] if told.first != "unknown" else []
    tall = max(1, min(4, (height - 7) // 2))
    rows = [*levels(valid, "acc", "v", width, tall), *(levels(attack, "ASR", "a", width, tall) if attack else [])]
    rows.append(steps_row(found, width))
    if found.layers is None:
        return [*rows, row(width, ("  other layers: not looked at (x)", "d"))][:height]
    rows.append(row(width, ("  each layer alone: channels, accuracy, ASR, falls first", "d")))
    for end, curve in zip(explanation.layer_ends(found), found.layers.layers, strict=True):
        sample = found.layers.sample
        clean = "".join(eighth(p.percent(hits, sample["valid"])) for hits in curve.valid)
        bad = "".join(eighth(p.percent(hits, sample["poisoned"])) for hits in curve.poisoned or ())
        parts: list[Part] = [
            (f"  {curve.layer[:12]:<12}{curve.channels:>5} ", "b" if curve.layer == found.layer else ".")
        ]
        parts += [(clean, "v"), (" ", "."), (bad, "a"), (f"  {end.first.removesuffix(' at once')}" if bad else "", ".")]
        rows.append(row(width, *parts))
    if found.layers.left_out:
        rows.append(row(width, (f"  {found.layers.left_out} layers more were not looked at", "d")))
    return rows[:height]


def levels(values: Sequence[float], name: str, ink: str, width: int, tall: int) -> list[Row]:
    """Percentages by step as bars of `tall` rows."""
    room = width - 8
    if room < 4:
        return []
    shown = [values[min(len(values) - 1, column * len(values) // room)] for column in range(room)]
    rows = []
    for up in range(tall - 1, -1, -1):
        cells = "".join(EIGHTHS[max(0, min(8, round(8 * tall * value / 100) - 8 * up))] for value in shown)
        rows.append(row(width, (f"  {name if up == tall - 1 else '':<4}", ink), (cells, ink)))
    return rows


def steps_row(found: Findings, width: int) -> Row:
    """Below the bars: where dormant channels end, accuracy has lost 4 points, the attack is under 50 %."""
    told, last = explanation.phases(found), len(found.diagnosed.curve) - 1
    loss = f"-{FALL} pt at {told.clean_loss}" if told.clean_loss is not None else f"never -{FALL} pt"
    parts: list[Part] = [(f"      dormant to {told.dormant}", "d"), (f"   {loss}", "v")]
    if told.first not in ("unknown", "none shown"):
        fell = f"ASR < 50 % at {told.attack_loss}" if told.attack_loss is not None else "ASR never < 50 %"
        parts.append((f"   {fell}", "a"))
    return row(width, *parts, right=((f" {last} steps ", "d"),) if width >= 70 else ())


def eighth(value: float) -> str:
    return EIGHTHS[max(0, min(8, round(8 * value / 100)))] if value > 0 else "▁"


# --- features ---


def features_pane(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """Penultimate features of clean and poisoned images along their principal components."""
    del channel
    at = found.diagnosed.components
    if at is None or height < 4:
        return []
    points = [Point(*xy, "·", "v") for xy in at.clean] + [Point(*xy, "×", "a") for xy in at.poisoned]
    both = [*at.clean, *at.poisoned]
    ends = [(min(each), max(each)) for each in zip(*both, strict=True)]
    x, y = (Axis(low, high, rounded_ticks(low, high)) for low, high in ends)
    return [row(width, ("  · clean ", "v"), (" × poisoned", "a")), *points_rows(points, x, y, width, height - 1)]


# --- detectors ---


def detectors_pane(found: Findings, channel: int, width: int, height: int) -> list[Row]:
    """A table of the detectors, and their ROC with false alarms on a scale that shows the small ones."""
    del channel
    if found.detected is None:
        return []
    wide = width >= 75
    gap = "  at 1 %: found alarms  at 5 %: found alarms" if wide else "  at 5 %: found alarms"
    rows = [row(width, ("    detector     area" + ("  95 % interval" if wide else "") + gap, "d"))]
    rows += [detector_row(at, wide, width) for at in sorted(found.detected.detectors, key=lambda at: -at.area)]
    return [*rows, *roc(found.detected, width, height - len(rows))] if height - len(rows) >= 5 else rows[:height]


def detector_row(at: p.Detector, wide: bool, width: int) -> Row:
    mark, ink = MARKS[at.name]
    _, test, poisoned = at.images
    rates = [
        f"{p.percent(hits, poisoned):>7.1f} %{p.percent(alarms, test):>5.1f} %"
        for hits, alarms in zip(at.detected, at.false_alarms, strict=True)
    ]
    area = f"{at.area:.3f}" + (f"  {at.area_low:.3f} to {at.area_high:.3f}" if wide else "")
    shown = "   ".join(rates if wide else rates[1:])
    return row(width, (f"  {mark} ", ink), (f"{at.name:<11}  {area} {'' if wide else '    '}{shown}", "."))


def roc(detected: p.Detected, width: int, height: int) -> list[Row]:
    """Each detector's letter in every column where it is; the false alarms on a scale of square roots."""
    x = Axis(0, 1, FALSE_ALARMS, sqrt)
    y = Axis(0, 1, ((0.0, "0"), (0.5, "50"), (1.0, "100 %")))
    columns = max(4, width - 2 - max(len(label) for _, label in y.ticks))
    points = []
    for at in sorted(detected.detectors, key=lambda each: each.area):
        mark, ink = MARKS[at.name]
        before = 0.0
        for column in range(columns):
            alarms = (column / (columns - 1)) ** 2
            hits = found_at(at.roc, alarms)
            steps = max(1, round((hits - before) * height))  # a jump is drawn as the upright line that it is
            points += [
                Point(alarms, before + (hits - before) * part / steps, mark, ink) for part in range(1, steps + 1)
            ]
            before = hits
    head = row(width, ("  poisoned images flagged, over ", "d"), ("clean images flagged", "d"), (" (ROC)", "d"))
    return [head, *points_rows(points, x, y, width, height - 1)]


def found_at(points: Sequence[tuple[float, float]], alarms: float) -> float:
    """The detection rate that so many false alarms allow."""
    return max((hits for at, hits in points if at <= alarms + 1e-9), default=0.0)


PANES = (
    Pane("verdict", True, no_sentence, verdict_pane),
    Pane("channels", True, explanation.change_told, channels_pane),
    Pane("driven channels", False, explanation.stimulation_told, driven_pane),
    Pane("phases and layers", True, explanation.phases_told, phases_pane),
    Pane("features", True, explanation.components_told, features_pane),
    Pane("detectors", True, explanation.detectors_told, detectors_pane),
)
