"""The command that is copied opens the very settings that it was made of, whatever they are."""

import os
import shlex
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.api import protocol as p
from engine.api.lab import MODELS, PLACES
from engine.api.thresholds import parse_threshold
from tui.cli import command_line
from tui.model.launch import Launch
from tui.model.options import Options
from tui.model.run_state import RunState, Sent, reduce
from tui.model.session_command import headless_command

NAMES = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="/"), min_size=1, max_size=8
).filter(lambda name: name not in (".", "..") and name == os.path.basename(os.path.abspath(f"/{name}")))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
THRESHOLDS = st.decimals("0.01", 100, places=2).map(lambda value: parse_threshold(str(value)))
PLACED: tuple[p.SetName, ...] = p.SETS


@st.composite
def labs(draw: st.DrawFn) -> tuple[set[str], dict[str, Any]]:
    """Places of a lab that are there, and what the settings say beside `root`; a usual place as None."""
    there = draw(st.sets(st.sampled_from([MODELS[0], *PLACES.values()])))
    said: dict[str, Any] = {}
    for name, place in {"model": MODELS[0], **PLACES}.items():
        usual = st.just(place) if place in there else st.nothing()
        absent = st.none() if name not in ("model", "valid") else st.nothing()
        said[name] = draw(PATHS | usual | absent)
    said |= {
        "layer": draw(st.none() | NAMES),
        "order": draw(st.none() | st.lists(st.integers(0, 9999), min_size=1, unique=True).map(tuple)),
        "save_at": draw(st.lists(THRESHOLDS, unique=True, max_size=5).map(tuple)),
        "tune_at": draw(st.lists(THRESHOLDS, unique=True, max_size=3).map(tuple)),
        "tune_seeds": draw(st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=4).map(tuple)),
        "save_steps": draw(st.lists(st.integers(0, 999_999), unique=True, max_size=5).map(tuple)),
        "order_by": draw(st.sampled_from(["mean", "clp:2.5", "random:7", "apoz"])),
        "out": draw(st.just("") | PATHS),
        "runs": draw(st.just("") | PATHS),
        "overwrite": draw(st.booleans()),
        "scale": draw(st.sampled_from(["1", "1/255"])),
        "batch_size": draw(st.integers(1, 10**9)),
        "stride": draw(st.integers(1, 10**6)),
        "bands": draw(st.booleans()),
        "feature_memory": draw(st.none() | st.integers(0, 2**70)),
        "device": draw(st.sampled_from([None, "cpu", "gpu", "gpu:1", "gpu:12"])),
    }
    if said["order"] is not None:  # which says in which order to prune by itself
        said["order_by"] = "mean"
    return there, said


def opened_by(command: str, monkeypatch: pytest.MonkeyPatch) -> p.Settings | None:
    """The settings that this command line would open."""
    launches: list[Launch] = []
    with monkeypatch.context() as patch:
        patch.setattr(Options, "refusals", lambda typed: [])  # the files that are named are not made
        patch.setattr(command_line, "run_headless", lambda launch, *_: launches.append(launch) or 0)
        program, *words = shlex.split(command)
        done = CliRunner().invoke(command_line.app, words, catch_exceptions=False)
    assert (program, done.exit_code) == ("lab3-tui", 0), done.output
    return launches[0].settings


@given(labs())
def test_the_command_opens_the_settings_that_it_was_made_of(lab: tuple[set[str], dict[str, Any]]) -> None:
    there, said = lab
    assert {"root", *said} == set(p.Settings.__struct_fields__), "every setting is tried"
    with tempfile.TemporaryDirectory() as root:
        for place in there:
            Path(root, place).parent.mkdir(parents=True, exist_ok=True)
            Path(root, place).touch()
        at = {name: os.path.join(root, said[name]) if said[name] else None for name in ("model", *PLACED)}
        settings = p.Settings(**(said | at | {"root": root}))
        state = reduce(RunState(), Sent(p.Open(settings)))
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert opened_by(headless_command(state), monkeypatch) == settings


def test_thresholds_set_later_and_steps_saved_by_hand_are_in_it(tmp_path: Path) -> None:
    settings = p.Settings(str(tmp_path), "/m.h5", "/v.h5", save_steps=(48, 45))
    saved = [p.Saved("model", f"/x{step}.h5", "", "written", step) for step in (0, 45, 7)]
    state = reduce(RunState(), Sent(p.Open(settings)))
    for event in (p.Thresholds(("5",)), *saved, p.Saved("model", "/y.h5", "", "written", 9, "5")):
        state = reduce(state, event)
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = opened_by(headless_command(state), monkeypatch)
        assert found == msgspec.structs.replace(settings, save_at=("5",), save_steps=(48, 45, 7))
        found = opened_by(headless_command(reduce(state, p.Thresholds(()))), monkeypatch)
    assert found is not None and found.save_at == ()


def test_every_field_of_the_open_screen_has_an_option() -> None:
    from tui.screens.open_form import LINES

    assert {line.id for line in LINES} <= {field.name for field in fields(Options)}
