"""Help begins with the screen one is on and can be searched; the log has times; a theme is kept; the tour waits."""

from pathlib import Path

import msgspec
import pytest

from engine.api import protocol as p
from engine.api.errors import Refused
from tests.support.engine_stub import SETTINGS
from tests.support.pilot import bench, measured
from tui.app.tour import LAST, STOPS
from tui.model import config
from tui.model.actions import ACTIONS
from tui.model.launch import Launch
from tui.model.run_state import Line, RunState, Sent, reduce, stamped
from tui.screens.help import SCREENS, HelpScreen, page
from tui.screens.results import ResultsScreen
from tui.widgets.tour_line import TourLine

pytestmark = pytest.mark.tui
SCOPES = {action.scope for action in ACTIONS} - {"app", "run", "died", "help", "tabs"}


# --- help


def test_every_screen_with_keys_of_its_own_has_words_in_the_help() -> None:
    assert set(SCREENS) >= SCOPES


@pytest.mark.parametrize("scope", sorted(SCREENS))
def test_the_help_begins_with_the_screen_that_one_is_on(scope: str) -> None:
    text = page(ACTIONS, None, 100, scope).plain  # type: ignore[arg-type]
    title, story = SCREENS[scope]  # type: ignore[index]
    assert text.startswith(f"\nThis screen: {title}\n{story}\n")
    own = [action.help for action in ACTIONS if action.scope == scope]
    first, _, rest = text.partition("\nWhat you see\n")
    assert all(about in first for about in own)
    assert f"({scope} screen)" not in rest, "told once"


async def test_it_lies_over_the_screen_and_leads_back_to_it() -> None:
    async with measured() as it:
        await it.press("m", "question_mark")
        await it.shows("This screen: results")
        await it.press("escape")
        assert isinstance(it.app.screen, ResultsScreen)
        await it.press("question_mark", "i")
        await it.shows("▸6 images")
        await it.press("question_mark", "i")
        await it.shows("▸6 images")
        await it.press("question_mark", "1")
        await it.shows("▸1 prune")


async def test_it_can_be_searched() -> None:
    async with measured() as it:
        await it.press("question_mark", "slash")
        await it.shows("type to search")
        await it.write("undo")
        await it.shows("undo takes it back")
        assert "What you see" not in it.text() and not it.commands(p.Goto)
        await it.press("enter", "escape")
        await it.shows("What you see")
        assert isinstance(it.app.screen, HelpScreen)
        await it.press("slash")
        await it.write("xyzzy")
        await it.shows("Nothing here holds 'xyzzy'")
        await it.press("escape", "escape")
        assert not isinstance(it.app.screen, HelpScreen)


# --- times in the log


async def test_the_log_has_times() -> None:
    async with measured() as it:
        await it.press("space", "L")
        await it.until(lambda: it.state.step == 1)
        await it.shows("14:02:07   1 ↓ channel 3")


def test_what_a_journal_tells_again_has_no_time() -> None:
    going_on = reduce(RunState(), Sent(p.Open(SETTINGS, "/lab/runs/one")))
    began = reduce(going_on, p.Began(SETTINGS, {}, {}, ""))
    retold = reduce(msgspec.structs.replace(began, going_on=True), p.Note("long ago"))
    assert stamped(began, retold, "14:02:07").log[-1].at == ""
    live = reduce(RunState(), p.Note("now"))
    more = stamped(live, reduce(live, p.Note("then")), "14:02:08")
    assert [line.at for line in more.log] == ["", "14:02:08"]
    assert stamped(RunState(), live, "14:02:07").log[0].at == "14:02:07"


async def test_what_a_journal_tells_again_is_called_earlier_and_the_log_says_since_when() -> None:
    async with measured(size=(120, 40)) as it:
        began = p.Began(SETTINGS, {}, {}, "2026-11-28T11:55:13+00:00")
        line = Line(3, "info", "long ago")
        it.app.engine.latest = msgspec.structs.replace(it.state, began=began, log=(line, *it.state.log))
        await it.press("L")
        await it.shows("earlier: since this run began, 2026-11-28 11:55")
        await it.shows("earlier    3 · long ago")


# --- themes

DEFAULT_THEME = '# theme = "lab3-dark"         # ctrl+p, "theme" lists them all'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'theme = "nord"\n'),
        ('theme = "old"  # mine\nshow_g = true\n', 'theme = "nord"\nshow_g = true\n'),
        ('show_g = true\n\n[keys]\nstep = "n"\n', 'theme = "nord"\nshow_g = true\n\n[keys]\nstep = "n"\n'),
        (config.TEMPLATE, config.TEMPLATE.replace(DEFAULT_THEME, 'theme = "nord"')),
    ],
    ids=["none", "another", "none named", "the template"],
)  # fmt: skip
def test_a_theme_is_put_into_the_settings(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "lab3-tui" / "config.toml"
    if before:
        path.parent.mkdir()
        path.write_text(before)
    config.keep_theme("nord", path)
    assert path.read_text() == after and config.load(path).theme == "nord"


def test_settings_that_are_broken_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("theme = 3 4\n[")
    with pytest.raises(Refused, match="not kept"):
        config.keep_theme("nord", path)
    assert path.read_text() == "theme = 3 4\n["


async def test_a_theme_that_was_chosen_is_there_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with measured() as it:
        it.app.choose_theme("nord")
        assert it.app.theme == "nord" and config.load().theme == "nord"
        (tmp_path / "lab3-tui" / "config.toml").write_text("[")
        it.app.choose_theme("lab3-light")
        await it.until(lambda: any("not kept" in each.message for each in it.app._notifications))


# --- the tour

DEMO = Launch(Path("/lab"), SETTINGS, fresh=True, demo="plain")
KEYS = {"step": "space", "undo": "u", "run": "r", "results": "5", "images": "6", "why": "3", "workbench": "1",
        "help": "question_mark"}  # fmt: skip


async def test_the_tour_waits_for_each_key_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with bench(launch=DEMO) as it:
        for number, stop in enumerate(STOPS, 1):
            await it.shows(f"{number}/{len(STOPS)}")
            await it.press("L", "escape") if stop.action == "step" else None  # another key works, and leads nowhere
            await it.shows(f"{number}/{len(STOPS)}")
            await it.until(lambda: not it.state.busy)
            await it.press(KEYS[stop.action])
        await it.shows(LAST[:21])
        assert it.app.tour.at is None and not any(line.display for line in it.app.screen.query(TourLine))
    async with bench(launch=DEMO) as it:
        await it.shows("saves at")
        assert it.app.tour.at is None, "it is offered once"


async def test_the_tour_can_be_left_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with measured() as it:
        assert it.app.tour.at is None, "only the demo offers it"
        await it.press("T")
        await it.shows("1/8  space prunes the channel that clean images need least")
        await it.shows("T ends")
        await it.press("T")
        await it.shows("The tour is over")
        assert it.app.tour.at is None
        await it.press("T")
        await it.shows("1/8")


def test_every_line_of_the_tour_fits_80_columns() -> None:
    assert all(len(stop.text) + len(" tour 1/8  ") + len("  T ends ") <= 80 for stop in STOPS)
    assert {stop.action for stop in STOPS} <= {action.id for action in ACTIONS}
