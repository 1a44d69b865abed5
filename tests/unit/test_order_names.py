"""Names of orders, as options and journals have them, and what files say of a run by an oracle."""

import csv
import io
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest

from engine import report
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.journal_checks import Course
from engine.api.orders import BADGES, METHODS, MOST, order_name, order_names
from engine.api.trust import Unbelievable, believed
from engine.report.plot import plot_of
from tests.unit.test_report import SMALL
from tui.model.options import Options, with_options
from tui.model.run_state import RunState, reduce
from tui.model.session_command import headless_command
from tui.screens.header import order_part

SETTINGS = p.Settings(root="/lab", model="/lab/b.h5", valid="/lab/v.h5")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((name, name) for name in METHODS if name != "random"),
        ("random", "random:0"),
        ("random:007", "random:7"),
        ("clp:3", "clp"),
        ("clp:2.50", "clp:2.5"),
        (" mean ", "mean"),
    ],
)
def test_an_order_is_written_in_one_way(text: str, name: str) -> None:
    assert order_name(text) == name == order_name(name)


@pytest.mark.parametrize(
    "text",
    ["", "Mean", "means", "random:", "random:-1", "random:x", "mean:3", "clp:", "clp:x", "random:1:2", "a\x1b[2J"],
)
def test_what_is_no_order_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Refused) as refused:
        order_name(text)
    assert str(refused.value).startswith("--order-by: '") and str(refused.value).isprintable()


def test_lists_of_orders() -> None:
    assert order_names("mean, clp,random:3-5,mean") == ("mean", "clp", "random:3", "random:4", "random:5")
    assert len(order_names("random:0-99")) == MOST


@pytest.mark.parametrize("text", ["", ",", "mean,nothing", "random:5-3", "random:0-100", "random:0-999999999"])
def test_lists_that_are_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^--orders: "):
        order_names(text)


def test_every_method_says_what_it_looks_at_in_one_sentence() -> None:
    for name, method in METHODS.items():
        assert method.name == name and method.badge == BADGES[method.looks_at]
        assert method.help[0].isupper() and method.help.endswith(".") and "\n" not in method.help
        assert method.oracle == ("poisoned" in method.sets)


# --- options and settings ---


def test_settings_of_earlier_journals_order_by_the_mean() -> None:
    before = json.loads(msgspec.json.encode(SETTINGS))
    del before["order_by"]
    assert msgspec.json.decode(json.dumps(before), type=p.Settings) == SETTINGS
    assert SETTINGS.order_by == "mean"
    ranked = {"event": "ranked", "order": [1, 0], "given": False, "means": [0.5, 0.1], "active_valid": [1, 1]}
    assert p.decode_event(json.dumps(ranked).encode()) == p.Ranked((1, 0), False, (0.5, 0.1), (1, 1))


def test_the_option_is_the_setting_and_the_headless_command() -> None:
    settings = with_options(SETTINGS, Options(order_by="random"))
    assert settings.order_by == "random:0"
    assert "--order-by random:0" in headless_command(RunState(settings=settings))
    assert "--order-by" not in headless_command(RunState(settings=SETTINGS))


def test_an_order_is_given_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "order").write_text("[0]")
    with pytest.raises(Refused, match=r"^--order and --order-by: "):
        with_options(SETTINGS, Options(order=tmp_path / "order", order_by="mean"))


# --- journals ---


def ranked(**more: object) -> p.Ranked:
    return msgspec.structs.replace(p.Ranked((1, 0), False, (0.5, 0.1), (1, 1)), **more)


def test_an_order_in_a_journal_is_one_of_ours_and_says_what_it_looks_at() -> None:
    greedy = ranked(order_by="greedy", looks_at="poisoned", scores=(0.0, 1.0))
    assert believed(greedy) == greedy
    for lie in (
        ranked(order_by="greedy"),
        ranked(order_by="mine"),
        ranked(order_by="random"),
        ranked(looks_at="nothing"),
    ):
        with pytest.raises(Unbelievable):
            believed(lie)
    with pytest.raises(Unbelievable):
        believed(p.Began(msgspec.structs.replace(SETTINGS, order_by="\x1b[2J"), {}, {}, ""))


def test_every_channel_has_a_score() -> None:
    for scores, sound in (((0.0, 1.0, 2.0), True), ((0.0,), False)):
        course = Course()
        for event in SMALL.events():
            if isinstance(event, p.Began | p.Opened):
                course.take(event)
            if isinstance(event, p.Ranked):
                with nullcontext() if sound else pytest.raises(Unbelievable):
                    course.take(msgspec.structs.replace(event, scores=scores, active_poisoned=(1, 1, 1)))
                break


# --- what a run says of its order ---


def by(name: str) -> list[p.AnyEvent]:
    looks = METHODS[name].looks_at
    scores = tuple(float(channel) for channel in range(3))
    return [
        msgspec.structs.replace(event, order_by=name, looks_at=looks, scores=scores)
        if isinstance(event, p.Ranked)
        else event
        for event in SMALL.events()
    ]


def files(events: list[p.AnyEvent]) -> dict[str, bytes]:
    return dict(report.files(report.record(events)))


def test_every_file_of_a_run_by_an_oracle_says_so() -> None:
    found = files(by("greedy"))
    for name in ("curve.csv", "results.csv"):
        rows = list(csv.DictReader(io.StringIO(found[name].decode())))
        assert rows and {row["oracle"] for row in rows} == {"greedy"}
    assert (
        "**Order by `greedy`, an ORACLE: it looks at poisoned images, which no defender has.**"
        in found["report.md"].decode()
    )
    whole = json.loads(found["results.json"])
    assert (whole["order_by"], whole["order_looks_at"], whole["oracle"]) == ("greedy", "poisoned", True)
    assert plot_of(report.record(by("greedy"))).title.endswith(", ORACLE order greedy")
    columns = {"test": {"label": np.zeros(2)}}
    with h5py.File(io.BytesIO(report.answers_file(columns, "greedy"))) as file:
        assert file.attrs["oracle"] == "order by greedy: ORACLE: it looks at poisoned images, which no defender has"
    with h5py.File(io.BytesIO(report.answers_file(columns))) as file:
        assert not file.attrs


def test_other_orders_change_no_file_but_report_and_results_json() -> None:
    usual, other = files(SMALL.events()), files(by("taylor"))
    assert [name for name in usual if usual[name] != other[name]] == ["report.md", "results.json"]
    text = other["report.md"].decode()
    assert "in the order `taylor`: Change of the loss when the channel goes" in text and "ORACLE" not in text


def test_a_given_order_is_no_oracle() -> None:
    events = [replace_given(event) for event in by("tac")]
    assert b"oracle" not in files(events)["curve.csv"]


def replace_given(event: p.AnyEvent) -> p.AnyEvent:
    return msgspec.structs.replace(event, given=True, scores=None) if isinstance(event, p.Ranked) else event


def test_header_and_log_name_the_order() -> None:
    state = reduce(RunState(), ranked(order_by="tac", looks_at="poisoned"))
    assert order_part(state) == ("tac (ORACLE)", "e")
    assert state.log[-1].text == "order by tac: ORACLE: it looks at poisoned images, which no defender has"
    state = reduce(RunState(), ranked(order_by="taylor", looks_at="labels"))
    assert order_part(state) == ("taylor", ".")
    assert state.log[-1].text == "order by taylor, which looks at clean images and labels"
    state = reduce(RunState(), ranked())
    assert order_part(state) == ("mean activation", ".") and not state.log
    assert order_part(reduce(RunState(), ranked(given=True)))[0] == "given"


def test_a_run_by_an_oracle_stays_one_after_it_was_changed_by_hand() -> None:
    events = [*by("greedy"), p.Reordered((2, 1, 0), 1)]
    assert b"greedy" in files(events)["curve.csv"]
    assert replace(SMALL).order == (2, 0, 1)


def test_a_run_that_takes_an_oracles_order_says_so_in_every_file_and_no_more_once_it_is_taken_back() -> None:
    taken = [*SMALL.events(), p.Reordered((2, 1, 0), 1, "tac", 1)]
    found = files(taken)
    for name in ("curve.csv", "report.md", "results.tex", "results.json"):
        assert b"tac" in found[name], name
    assert json.loads(found["results.json"])["order_by"] == "tac"
    assert plot_of(report.record(taken)).title.endswith(", ORACLE order tac")
    assert found["results.tex"].startswith(b"Order by \\texttt{tac}, an ORACLE: it looks at poisoned images")
    back = files([*taken, p.Reordered((2, 0, 1), 1, "", None)])
    assert not [
        name for name in ("curve.csv", "results.csv", "report.md", "results.tex") if b"oracle" in back[name].lower()
    ]


def test_what_was_saved_in_an_oracles_order_says_so_after_it_was_taken_back() -> None:
    taken = [*SMALL.events(), p.Reordered((2, 1, 0), 1, "tac", 1), p.Stepped(2, 1, SMALL.counts[1])]
    saved = p.Saved("model", "/lab/models/mine.h5", "a" * 64, "written", 2)
    found = files([*taken, saved, p.Reordered((2, 0, 1), 1, "", None)])
    rows = {row["file"]: row["oracle"] for row in csv.DictReader(io.StringIO(found["results.csv"].decode()))}
    assert rows["mine.h5"] == "tac" and rows["model_prune_2.h5"] == ""
    assert b"oracle" not in found["curve.csv"]
    assert b"Networks saved in the order by `tac`, an ORACLE" in found["report.md"] and b"tac" in found["results.tex"]


def test_readme_lists_every_order() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for name, method in METHODS.items():
        (line,) = [line for line in text.splitlines() if line.startswith("|") and re.match(rf".*`{name}[`:]", line)]
        assert line.endswith(f"| {method.badge} |"), name
