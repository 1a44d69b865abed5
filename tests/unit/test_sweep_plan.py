"""Plans: a file, options, and what both say together; and the cells that come of one."""

from pathlib import Path
from typing import Any

import pytest

from engine.api import locks
from engine.api.errors import Refused
from engine.api.inspection import Description
from engine.api.protocol import LayerInfo, Settings
from tui.model.sweep_state import Cell
from tui.sweep import cells as sweep_cells
from tui.sweep.cells import Work, folder_name, identity, layers_of, networks, refuse_links
from tui.sweep.plan import (
    TEMPLATE,
    SweepPlan,
    keep_plan,
    kept_plan,
    orders_of,
    parse_plan,
    read_plan,
    seeds,
    split,
    write_template,
)


def test_the_plan_that_is_written_can_be_read(tmp_path: Path) -> None:
    write_template(tmp_path / "sweep.toml")
    plan = read_plan(tmp_path / "sweep.toml")
    assert plan.models == ("models/bd_net.h5",)
    assert plan.orders == ("mean", "clp")
    assert plan.save_at == "2,4,10,30"
    assert plan.home == tmp_path
    assert plan.folder == tmp_path / "sweep"
    with pytest.raises(Refused, match=r"sweep\.toml: is there already"):
        write_template(tmp_path / "sweep.toml")


def test_every_word_of_the_template_is_one(tmp_path: Path) -> None:
    """Its examples too, without their signs of a comment."""
    text = "\n".join(line.removeprefix("# ") if " = " in line else line for line in TEMPLATE.splitlines())
    plan = parse_plan(text, "plan", tmp_path)
    assert plan.seeds == (0, 1, 2, 3, 4)
    assert plan.tune is False
    assert plan.valid == tmp_path / "data/cl/valid.h5"
    assert plan.stride == 1 and plan.scale == "1" and plan.device == "cpu"
    assert plan.to == tmp_path / "sweep"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("models = 3 4", "plan: "),
        ("modles = 3", "plan: 'modles' is no word of a plan. Expected one of root, models"),
        ('tune = "yes"', "plan: tune is 'yes', expected true or false."),
        ("stride = true", "plan: stride is 'True', expected a whole number."),
        ("root = 1", "plan: root is '1', expected text in quotes."),
        ("models = []", "plan: models: is empty"),
        ('seeds = "x"', "plan: seeds: 'x' is no list of seeds. Example: 0-4"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        parse_plan(text, "plan", tmp_path)
    assert str(refused.value).startswith(why)
    assert "\n" not in str(refused.value)


def test_a_plan_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"p\.toml: no such file or directory\. lab3-tui sweep --init"):
        read_plan(tmp_path / "p.toml")
    with pytest.raises(Refused, match="is no plan"):
        read_plan(tmp_path)
    (tmp_path / "p.toml").write_bytes(b"\xff")
    with pytest.raises(Refused, match="is not text"):
        read_plan(tmp_path / "p.toml")


def test_options_come_before_what_a_file_says(tmp_path: Path) -> None:
    plan = SweepPlan(orders=("norm",)).over(parse_plan('orders = ["mean"]\nlayers = ["all"]', "plan", tmp_path))
    assert (plan.orders, plan.layers, plan.home) == (("norm",), ("all",), tmp_path)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, [("mean", None)]),
        ({"orders": ("mean", "random")}, [("mean", None), ("random:0", 0)]),
        ({"orders": ("random", "clp"), "seeds": (1, 2)}, [("random:1", 1), ("random:2", 2), ("clp", None)]),
        ({"orders": ("random:7", "random:0-1")}, [("random:7", 7), ("random:0", 0), ("random:1", 1)]),
        ({"orders": ("mean", "random"), "seeds": (1, 2), "tune": True},
         [("mean", 1), ("mean", 2), ("random:1", 1), ("random:2", 2)]),
    ],
)  # fmt: skip
def test_seeds_count_for_random_orders_and_for_tuning_alone(said: dict[str, Any], found: list[Any]) -> None:
    assert orders_of(SweepPlan(**said)) == found


def test_words_and_seeds() -> None:
    assert split("--models", "a.h5, b.h5,a.h5") == ("a.h5", "b.h5")
    assert seeds("0-2,7") == (0, 1, 2, 7)


def test_the_plan_of_a_sweep_is_kept_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = SweepPlan(root=Path("lab"), models=("n.h5",), seeds=(0, 3), valid=Path("v.h5"), test=Path("none"), tune=True)
    keep_plan(plan)
    kept = kept_plan(tmp_path / "lab/sweep")
    assert kept.root == tmp_path / "lab"
    assert kept.valid == tmp_path / "v.h5"
    assert kept.test == Path("none")
    assert (kept.models, kept.seeds, kept.tune) == (("n.h5",), (0, 3), True)
    with pytest.raises(Refused, match="no sweep began there"):
        kept_plan(tmp_path)
    (tmp_path / "lab/sweep/plan.json").write_text("{")
    with pytest.raises(Refused, match=r"plan\.json cannot be read"):
        kept_plan(tmp_path / "lab/sweep")


def test_names_in_a_list_may_have_commas(tmp_path: Path) -> None:
    plan = parse_plan('models = ["a,b.h5", "c.h5"]\nlayers = "default,conv_2"', "plan", tmp_path)
    assert (plan.models, plan.layers) == (("a,b.h5", "c.h5"), ("default", "conv_2"))


def test_the_plan_of_a_sweep_that_is_running_stays(tmp_path: Path) -> None:
    plan = SweepPlan(root=tmp_path, models=("a.h5",))
    keep_plan(plan)
    with locks.hold(plan.folder):
        keep_plan(plan)  # to watch it
        with pytest.raises(Refused, match=r"a sweep with another plan is running there \(process \d+"):
            keep_plan(SweepPlan(root=tmp_path, models=("b.h5",)))
    assert kept_plan(plan.folder).models == ("a.h5",)


def test_patterns_leave_out_what_runs_saved(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    for name in ("b.h5", "a.h5", "model_prune_2.h5", "model_tuned_10.h5", "model_step_3.h5", "c.keras"):
        (tmp_path / "nets" / name).touch()
    found, left_out = networks(SweepPlan(root=tmp_path, models=("nets/b.h5", "nets/*.h5")))
    assert [path.name for path in found] == ["b.h5", "a.h5"]
    assert left_out == 3
    named, _ = networks(SweepPlan(root=tmp_path, models=("nets/model_prune_2.h5",)))
    assert [path.name for path in named] == ["model_prune_2.h5"]
    with pytest.raises(Refused, match="matches no network"):
        networks(SweepPlan(root=tmp_path, models=("none/*.h5",)))


def described(**said: Any) -> Description:
    layers = (
        LayerInfo("conv_1", "Conv2D", (None, 3)),
        LayerInfo("side", "Conv2D", (None, 3), "it is not on every path"),
        LayerInfo("conv_2", "Conv2D", (None, 3)),
        LayerInfo("out", "Dense", (None, 3), "it is no convolution"),
    )
    usual: dict[str, Any] = {"name": "n.h5", "kind": "model", "layers": layers, "layer": "conv_2"}
    return Description(**(usual | said))


@pytest.mark.parametrize(
    ("asked", "said", "found"),
    [
        (("default", "all"), {}, [("conv_2", ""), ("conv_1", "")]),
        (("conv_1", "conv_1"), {}, [("conv_1", "")]),
        (("side",), {}, [("side", "n.h5: layer 'side' cannot be pruned: it is not on every path")]),
        (("nope",), {}, [("nope", "n.h5: has no layer 'nope'. lab3-tui inspect names its layers.")]),
        (("default", "all"), {"layer": None, "layers": ()},
         [(name, "n.h5: has no convolution that can be pruned.") for name in ("default", "all")]),
        (("all",), {"kind": "data"}, [("all", "n.h5: is a data set, expected a model.")]),
        (("all", "x"), {"refusal": "n.h5: is empty."}, [("all", "n.h5: is empty."), ("x", "n.h5: is empty.")]),
    ],
)  # fmt: skip
def test_layers_are_named_or_refused(asked: tuple[str, ...], said: dict[str, Any], found: list[Any]) -> None:
    assert layers_of(asked, described(**said)) == found


def test_what_decides_a_result_makes_another_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    base, sha = Settings("/lab", "/lab/n.h5", "/v.h5", layer="conv_1"), {"model": "a", "valid": "b"}
    first = identity(base, sha)
    from msgspec.structs import replace

    for same in ({"device": "cpu"}, {"batch_size": 7}, {"runs": "/r"}, {"tune_seeds": (4,)}, {"overwrite": True}):
        assert identity(replace(base, **same), sha) == first
    others = [{"layer": "conv_2"}, {"order_by": "clp"}, {"save_at": ("3",)}, {"stride": 2}, {"scale": "1/255"},
              {"tune_at": ("2",)}, {"save_steps": (3,)}]  # fmt: skip
    found = {identity(replace(base, **other), sha) for other in others}
    found |= {
        identity(base, sha | {"valid": "c"}),
        identity(replace(base, tune_at=("2",), tune_seeds=(4,)), sha),
        first,
    }
    assert len(found) == len(others) + 3
    monkeypatch.setattr(sweep_cells, "versions", lambda: {"keras": "4"})
    assert identity(base, sha) not in found


def test_a_folder_has_a_name_that_people_read_and_no_file_system_minds() -> None:
    name = folder_name(Cell(0, "nets/../=a b\x1b.h5", "conv/3", "random:7", 7), "0123456789abcdef")
    assert name == "a_b_x1b-conv_3-random-7-0123456789ab" or name.endswith("-conv_3-random-7-0123456789ab")
    assert "/" not in name and not name.startswith((".", "-"))
    assert folder_name(Cell(0, "n.h5", "c", "mean", 3), "f" * 64) == "n-c-mean-s3-ffffffffffff"


def test_a_cells_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    works = [Work(Cell(0, "a.h5", "conv_3", "mean", folder="a-1"))]
    refuse_links(tmp_path, works)
    (tmp_path / "cells/a-1").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    refuse_links(tmp_path, works)
    (tmp_path / "cells/a-1/models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match=r"cells/a-1/models: is a link"):
        refuse_links(tmp_path, works)
