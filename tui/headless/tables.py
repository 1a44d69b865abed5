"""Lines and tables in plain text, for stdout."""

from collections.abc import Iterable, Sequence

from engine.api import protocol as p
from tui.model.formatting import EMPTY, file_name
from tui.model.run_state import (
    Figures,
    RunState,
    figures,
    file_figures,
    networks,
    tuned_figures,
    tuned_networks,
)

HEADER = (
    ("", "", "", "drop", "clean", "clean", "ASR", "ASR", "detected", "alarms"),
    ("", "at", "step", "valid pt", "valid %", "test %", "test %", "valid %", "test %", "test %"),
)
VALID_ASR = 7  # the column of the attack on validation images
HELD_OUT = "B″ is B′ fine-tuned; * on the validation images that were held out, G of B and B″"


def step_line(state: RunState, event: p.Stepped, width: int | None = None) -> str:
    """A step with every rate and the set it was measured on; sets that are not there do not come.

    `width`: columns of a terminal; the rates that do not fit are left out, G's first.
    """
    now = figures(state, event.step)
    if now is None:
        raise ValueError(f"step {event.step} has no figures")
    digits = len(str(state.channels))
    channel = "B itself" if event.channel is None else f"channel {event.channel}"
    change = f"({p.format_drop(now.drop)} pt)"
    line = f"step {event.step:>{digits}}/{state.channels}  {channel:<{8 + digits}}"
    line += f"  valid acc {now.valid:6.2f} % {change:>11}"
    named = {
        "test acc": now.test,
        "ASR": now.asr,
        "G test acc": now.g_test,
        "G ASR": now.g_asr,
        "detected": now.detection,
        "false alarms": now.false_alarm,
    }
    for name, value in named.items():
        part = "" if value is None else f"  {name} {value:6.2f} %"
        if width is not None and len(line + part) > width:
            break
        line += part
    return line


def results_table(state: RunState, width: int | None = None) -> list[str]:
    """The lab's table: B, and B′ and G at every saved step.

    `width`: columns of a terminal; columns stand closer there, and the attack on validation images is left out, where
    that makes it fit.
    """
    tuned, rows = tuned_networks(state), [*HEADER, *_body(state)]
    fewer = [[*row[:VALID_ASR], *row[VALID_ASR + 1 :]] for row in rows]
    tries = (aligned(rows), aligned(rows, gap=1), aligned(fewer, gap=1))
    lines = next((lines for lines in tries if width is None or max(map(len, lines)) <= width), tries[-1])
    return [*lines, *([HELD_OUT] if tuned else [])]


def _body(state: RunState) -> Iterable[Sequence[str]]:
    base = figures(state, 0)
    if base is None:
        return
    yield ["B", "", "0", *_network(base)]
    for saved in networks(state):
        now = file_figures(state, saved)
        if now is None:
            continue
        at = p.threshold_label(saved.threshold) if saved.threshold else file_name(saved.path)
        yield ["B′", at, str(saved.step), *_network(now)]
        yield ["G", at, str(saved.step), *_detector(now)]
    for file in tuned_networks(state):
        tuned = tuned_figures(state, state.tunings[file.tuning or 0], file.epoch or 0)
        at = p.threshold_label(file.threshold) if file.threshold else file_name(file.path)
        yield ["B″", at, str(file.step), EMPTY, f"*{tuned.holdout:.2f}", _cell(tuned.test), _cell(tuned.asr), *[""] * 3]
        yield ["G", at, str(file.step), "", "", *map(_cell, (tuned.g_test, tuned.g_asr)), "",
               _cell(tuned.detection), _cell(tuned.false_alarm)]  # fmt: skip


def _network(now: Figures) -> list[str]:
    return [p.format_drop(now.drop), *map(_cell, (now.valid, now.test, now.asr, now.valid_asr)), "", ""]


def _detector(now: Figures) -> list[str]:
    return ["", "", _cell(now.g_test), _cell(now.g_asr), "", _cell(now.detection), _cell(now.false_alarm)]


def _cell(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.2f}"


def aligned(rows: Sequence[Sequence[str]], left: int = 2, gap: int = 2) -> list[str]:
    """Columns side by side, `gap` cells apart: the first `left` ones to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [(" " * gap).join(_padded(row, widths, left)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], left: int) -> Iterable[str]:
    for column, (text, width) in enumerate(zip(row, widths, strict=True)):
        yield text.ljust(width) if column < left else text.rjust(width)
