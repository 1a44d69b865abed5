"""One suite for every engine: what a front end may rely on, of the scripted engine and of the real one alike."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from engine.api.client import EngineClient
from tests.support.protocol_client import Line, of, play, small_lab, until_idle

REAL = (sys.executable, "-P", "-m", "engine")
SCRIPT = ("open", "forth", "back", "again", "beyond", "home", "out of turn", "undo", "refused", "save", "save again",
          "other step", "save other", "decline", "save other again", "replace", "misnamed", "step misnamed",
          "gone", "check", "home again", "thresholds", "images", "channel", "export", "finish", "compare",
          "cancel", "compare cancelled", "take", "on", "take back")  # fmt: skip
REFUSED = ("refused", "misnamed", "step misnamed")


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.keras)])
def talk(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    fake_command: Callable[..., tuple[str, ...]],
) -> dict[str, list[p.AnyEvent]]:
    """By the name of each command in SCRIPT, the events that answered it."""
    settings = small_lab(tmp_path_factory.mktemp("lab"))
    commands: dict[str, Line] = {
        "open": p.Open(settings),
        "forth": p.Goto(2),
        "back": p.Goto(1),
        "again": p.Goto(2),
        "beyond": p.Goto(1000),
        "home": p.Goto(1),
        "out of turn": lambda told: p.PruneNext(order_of(told[0])[3]),
        "undo": p.Goto(1),
        "refused": lambda told: p.PruneNext(order_of(told[0])[0]),
        "save": p.SaveHere("mine.h5"),
        "save again": p.SaveHere("mine.h5"),
        "other step": p.Goto(2),
        "save other": p.SaveHere("mine.h5"),
        "decline": lambda told: p.Decline(of(p.Question, told[-1])[0].number),
        "save other again": p.SaveHere("mine.h5"),
        "replace": p.SaveHere("mine.h5", overwrite=True, step=2),
        "misnamed": p.SaveHere("model_prune_99.h5"),
        "step misnamed": p.SaveHere("model_step_3.h5"),
        "gone": delete_last,
        "check": p.CheckFiles(),
        "home again": p.Goto(1),
        "thresholds": p.SetThresholds(("5",)),
        "images": p.ShowImages("all", 0, 2),
        "channel": p.ShowChannel(1),
        "export": p.Export(),
        "finish": p.Finish(),
        "compare": p.Compare(("mean", "norm")),
        "cancel": p.CancelOrder("clp"),
        "compare cancelled": p.Compare(("clp",)),
        "take": p.TakeOrder("norm"),
        "on": p.Goto(2),
        "take back": lambda told: p.TakeOrder(),
        "explain": p.Explain(layers=False),
        "explain more": p.Explain(),
        "explain again": p.Explain(),
        "caught": p.ShowImages("caught by norm", 0, 3),
    }
    found = play(list(commands.values()), REAL if request.param == "real" else fake_command("--gone", "mine.h5"))
    return dict(zip(commands, found, strict=True))


def order_of(events: list[p.AnyEvent]) -> tuple[int, ...]:
    order: tuple[int, ...] = of(p.Ranked, events)[0].order
    return order


def delete_last(told: list[list[p.AnyEvent]]) -> p.AnyCommand:
    """Delete the B' that was saved last; the scripted engine, which writes none, is told of it by an option."""
    models = [event for events in told for event in of(p.Saved, events) if event.what == "model"]
    Path(models[-1].path).unlink(missing_ok=True)
    return p.CheckFiles()


Talk = dict[str, list[p.AnyEvent]]


def test_the_greeting_comes_first(talk: Talk) -> None:
    first = talk["open"][0]
    assert isinstance(first, p.Hello)
    assert first.protocol == p.PROTOCOL


@pytest.mark.parametrize("name", SCRIPT)
def test_every_answer_ends_with_idle(talk: Talk, name: str) -> None:
    assert isinstance(talk[name][-1], p.Idle)
    assert len(of(p.Idle, talk[name])) == 1
    assert talk[name][-1].why == ("failed" if name in REFUSED else "done")


def test_opening_tells_of_inputs_order_and_b_in_turn(talk: Talk) -> None:
    kinds = [type(event) for event in talk["open"]]
    told = [p.Began, p.Ranked, p.Stepped, p.Moved]
    assert [kind for kind in kinds if kind in told] == told
    assert kinds.index(p.Opened) < kinds.index(p.Ranked)
    assert of(p.Stepped, talk["open"])[0].step == 0
    assert {event.phase for event in of(p.Progress, talk["open"])} <= set(p.PHASES)
    ranked, opened = of(p.Ranked, talk["open"])[0], of(p.Opened, talk["open"])[-1]
    assert sorted(ranked.order) == list(range(opened.channels))
    assert len(ranked.means) == len(ranked.active_valid) == opened.channels
    assert set(opened.sets) == set(p.SETS)


def test_a_phase_ends_once_and_its_count_never_falls(talk: Talk) -> None:
    for phase in p.PHASES:
        events = [event for event in of(p.Progress, talk["open"]) if event.phase == phase]
        assert [event.done for event in events] == sorted(event.done for event in events)
        assert not events or events[-1].done == events[-1].total


def test_going_forth_tells_of_every_step_once(talk: Talk) -> None:
    order = order_of(talk["open"])
    steps = of(p.Stepped, talk["forth"])
    assert [(event.step, event.channel) for event in steps] == [(1, order[0]), (2, order[1])]
    assert of(p.Moved, talk["forth"])[-1].step == 2
    assert talk["forth"][-1].step == 2


def test_known_steps_are_not_told_again(talk: Talk) -> None:
    for name, step in (("back", 1), ("again", 2), ("home", 1)):
        assert not of(p.Stepped, talk[name])
        assert of(p.Moved, talk[name])[-1].step == talk[name][-1].step == step


def test_the_end_of_the_order_is_as_far_as_it_goes(talk: Talk) -> None:
    order = order_of(talk["open"])
    assert talk["beyond"][-1].step == len(order)
    assert [event.step for event in of(p.Stepped, talk["beyond"])] == list(range(3, len(order) + 1))


def test_counts_stay_within_their_sets(talk: Talk) -> None:
    sets = of(p.Opened, talk["open"])[0].sets
    for event in of(p.Stepped, talk["open"] + talk["forth"] + talk["beyond"]):
        counts = event.counts
        for name, value in (("valid", counts.valid), ("test", counts.g_test), ("poisoned", counts.detected)):
            assert 0 <= value <= sets[name].images
        assert counts.g_test <= counts.test and counts.g_poisoned <= counts.poisoned


def test_g_is_b_at_step_0(talk: Talk) -> None:
    counts = of(p.Stepped, talk["open"])[0].counts
    assert (counts.g_test, counts.g_poisoned) == (counts.test, counts.poisoned)
    assert (counts.detected, counts.false_alarms) == (0, 0)


def test_a_channel_out_of_turn_goes_next_and_undo_restores_the_order(talk: Talk) -> None:
    order = order_of(talk["open"])
    changed = of(p.Reordered, talk["out of turn"])[0]
    assert changed.kept == 1
    assert changed.order == (order[0], order[3], *(c for c in order[1:] if c != order[3]))
    assert of(p.Stepped, talk["out of turn"])[-1].channel == order[3]
    assert talk["out of turn"][-1].step == 2
    restored = of(p.Reordered, talk["undo"])[-1]
    assert restored.order == order
    assert talk["undo"][-1].step == 1
    known = [event.step for event in of(p.Stepped, talk["undo"])]
    assert known == list(range(2, len(order) + 1)), "what was computed before is known again"


def test_a_refusal_is_one_line_and_the_engine_goes_on(talk: Talk) -> None:
    failed = of(p.Failed, talk["refused"])[0]
    assert failed.exit_code == 2
    assert failed.message and "\n" not in failed.message
    assert talk["refused"][-1].step == 1


def test_saving_here_writes_b_prime_and_answers(talk: Talk) -> None:
    saved = {event.what: event for event in of(p.Saved, talk["save"])}
    assert Path(saved["model"].path).name == "mine.h5"
    assert saved["model"].step == saved["answers"].step == 1
    assert of(p.SaveMeasured, talk["save"])[-1].counts.poisoned_valid is not None


def test_a_name_that_the_run_uses_for_other_channels_is_asked_about(talk: Talk) -> None:
    assert [event.status for event in of(p.Saved, talk["save again"]) if event.what == "model"] == ["unchanged"]
    first, again = of(p.Question, talk["save other"])[0], of(p.Question, talk["save other again"])[0]
    for event in (first, again):
        assert (event.about, event.threshold, event.step) == ("replace", None, 2)
        assert Path(event.path).name == "mine.h5" and "mine.h5" in event.text and "\n" not in event.text
    assert 0 < first.number < again.number
    assert not of(p.Saved, talk["save other"]) + of(p.Saved, talk["save other again"])
    assert of(p.Declined, talk["decline"]) == [p.Declined(first.number)]
    assert {(event.what, event.step) for event in of(p.Saved, talk["replace"])} == {("model", 2), ("answers", 2)}


@pytest.mark.parametrize("name", ["misnamed", "step misnamed"])
def test_a_name_of_the_labs_own_is_given_only_to_what_it_says(talk: Talk, name: str) -> None:
    (failed,) = of(p.Failed, talk[name])
    assert failed.exit_code == 2 and "is the name of B′ at" in failed.message
    assert failed.message.endswith("Choose another name.") and "\n" not in failed.message
    assert not of(p.Saved, talk[name]) and not of(p.Question, talk[name])


def test_a_file_that_is_gone_is_told_of_and_made_again(talk: Talk) -> None:
    before = next(event for event in of(p.Saved, talk["replace"]) if event.what == "model")
    assert of(p.FileChanged, talk["gone"]) == [p.FileChanged(before.path, "gone")]
    assert [(event.path, event.sha256, event.step) for event in of(p.Saved, talk["gone"])] == [
        (before.path, before.sha256, before.step)
    ]


def test_files_that_are_all_there_are_not_worth_a_word(talk: Talk) -> None:
    assert [type(event) for event in talk["check"]] == [p.Idle]


def test_thresholds_are_told_and_passed_ones_saved_without_computing(talk: Talk) -> None:
    assert of(p.Thresholds, talk["thresholds"])[-1].save_at == ("5",)
    assert not of(p.Stepped, talk["thresholds"])
    crossed = {event.threshold for event in of(p.Crossed, talk["thresholds"])}
    assert crossed <= {"5"}
    assert {event.threshold for event in of(p.Saved, talk["thresholds"])} <= crossed


def test_looking_answers_and_changes_nothing(talk: Talk) -> None:
    images = of(p.Images, talk["images"])[0]
    assert (images.offset, len(images.items)) == (0, 2)
    for pair in images.items:
        for picture in (pair.clean, pair.poisoned):
            assert len(picture.rgb) == images.height * images.width * 3
    view = of(p.ChannelView, talk["channel"])[0]
    assert len(view.valid_map) == len(view.poisoned_map) == view.height * view.width
    for name in ("images", "channel"):
        assert len(talk[name]) == 2
        assert talk[name][-1].step == 1


def test_comparing_walks_each_order_and_leaves_the_run_as_it_is(talk: Talk) -> None:
    found, events = of(p.Compared, talk["compare"]), talk["compare"]
    assert [(at.name, at.looks_at) for at in found] == [("mean", "clean"), ("norm", "nothing")]
    for compared in found:
        assert sorted(compared.order) == sorted(order_of(talk["open"]))
        assert len(compared.steps) == len(compared.order) + 1
        assert compared.steps[0].valid == of(p.Stepped, talk["open"])[0].counts.valid
    assert not of(p.Stepped, events) and not of(p.Moved, events) and not of(p.Reordered, events)
    assert events[-1].step == talk["finish"][-1].step


def test_an_order_that_was_left_out_is_compared_when_it_is_asked_for_again(talk: Talk) -> None:
    assert len(talk["cancel"]) == 1
    assert [at.name for at in of(p.Compared, talk["compare cancelled"])] == ["clp"]


def test_an_order_is_taken_and_taken_back(talk: Talk) -> None:
    begun, stood = order_of(talk["open"]), talk["compare"][-1].step
    (taken,), (back,) = of(p.Reordered, talk["take"]), of(p.Reordered, talk["take back"])
    assert (taken.order_by, taken.undo_at) == ("norm", taken.kept) and sorted(taken.order) == sorted(begun)
    assert taken.kept <= stood and taken.order[: taken.kept] == begun[: taken.kept]
    assert talk["take"][-1].step == taken.kept
    assert [event.channel for event in of(p.Stepped, talk["on"])] == list(taken.order[taken.kept : 2])
    assert (back.order, back.order_by, back.undo_at) == (begun, "", None)
    assert talk["take back"][-1].step == stood


def test_explaining_tells_each_part_once_and_leaves_the_run_as_it_is(talk: Talk) -> None:
    (diagnosed,), (detected,) = of(p.Diagnosed, talk["explain"]), of(p.Detected, talk["explain"])
    channels = len(order_of(talk["open"]))
    assert len(diagnosed.curve) == channels + 1 == len(diagnosed.knock_out) + 1 == len(diagnosed.clean_mean) + 1
    assert sorted(diagnosed.order) == list(range(channels))
    assert diagnosed.curve[0].valid == of(p.Stepped, talk["open"])[0].counts.valid
    assert [at.name for at in detected.detectors] == list(p.DETECTORS)
    assert not of(p.LayersPruned, talk["explain"]) and len(of(p.LayersPruned, talk["explain more"])) == 1
    assert not of(p.Diagnosed, talk["explain more"]) and not of(p.LayersPruned, talk["explain again"])
    for name in ("explain", "explain more", "explain again"):
        assert not of(p.Stepped, talk[name]) and not of(p.Moved, talk[name])
        assert talk[name][-1] == p.Idle(talk["finish"][-1].step, "done")
    caught = of(p.Images, talk["caught"])[0]
    (norm,) = (at for at in detected.detectors if at.name == "norm")
    assert caught.total == norm.detected[1]
    for pair in caught.items:
        assert "norm" in pair.poisoned.flagged_by


def test_exporting_and_finishing_tell_of_every_file(talk: Talk) -> None:
    names = {"curve.csv", "curve.png", "results.csv", "results.json", "report.md", "results.tex"}
    assert {event.what for event in of(p.Saved, talk["export"])} == names
    finished = of(p.Finished, talk["finish"])[0]
    assert {Path(path).name for path in finished.files} == names
    assert finished.verdict.endswith(".") and "\n" not in finished.verdict
    assert set(finished.missed) <= {"5"}


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.keras)])
async def test_lines_that_are_no_commands_fail_and_the_engine_goes_on(
    engine: str, fake_command: Callable[..., tuple[str, ...]]
) -> None:
    async with EngineClient(REAL if engine == "real" else fake_command()) as client:
        events = client.events()
        for line in (b"nonsense", b"\xff\xfe", b'{"do":"unheard of"}', b'{"do":"goto"}'):
            await client.wire.write(line)
            failed = [event async for event in only(p.Failed, events)]
            assert len(failed) == 1
        await client.send(p.Goto(1))
        answer = await until_idle(events)
    assert answer[-1] == p.Idle(0, "failed"), "no run is open"


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.keras)])
def test_a_pause_that_comes_late_concerns_no_later_command(
    engine: str, fake_command: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    settings = small_lab(tmp_path)

    async def talk() -> list[list[p.AnyEvent]]:
        async with EngineClient(REAL if engine == "real" else fake_command()) as client:
            events = client.events()
            answers = []
            for command in (p.Open(settings), p.Goto(3), p.SaveHere("mine.h5"), p.ShowChannel(1), p.Goto(1)):
                if answers:
                    await client.send(p.Pause())
                    await client.send(p.Pause())
                await client.send(command)
                answers.append(await until_idle(events))
            return answers

    opened, gone, saved, shown, back = asyncio.run(talk())
    assert opened[-1] == p.Idle(0, "done")
    assert (gone[-1], of(p.Moved, gone)[-1]) == (p.Idle(3, "done"), p.Moved(3))
    assert (saved[-1], len(of(p.SaveMeasured, saved))) == (p.Idle(3, "done"), 1)
    assert (shown[-1], len(of(p.ChannelView, shown))) == (p.Idle(3, "done"), 1)
    assert back[-1] == p.Idle(1, "done")


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.keras)])
def test_a_step_to_save_that_will_not_come_is_refused_in_one_way(
    engine: str, fake_command: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    settings = small_lab(tmp_path)
    steps = replace(settings, order=(3, 1, 2), save_steps=(3, 4))
    (events,) = play([p.Open(steps)], REAL if engine == "real" else fake_command())
    (failed,) = of(p.Failed, events)
    assert (failed.message, failed.exit_code) == ("--save-step 4: there is no such step, expected 1..3.", 2)
    assert events[-1] == p.Idle(0, "failed")


async def only(kind: type, events: AsyncIterator[p.AnyEvent]) -> AsyncIterator[p.AnyEvent]:
    """The first event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            yield event
            return
