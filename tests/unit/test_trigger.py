"""Robust accuracy needs a proof: which poisoned sets are clean ones with a trigger, and which are not."""

from pathlib import Path

import numpy as np
import pytest

from engine.analysis import trigger
from engine.analysis.bootstrap import RESAMPLES, SEED, first_steps, middle, step_ranges
from engine.analysis.trigger import find_trigger
from engine.api.protocol import TriggerRegion
from engine.sandbox.data_set import Dataset, open_dataset
from tests.support.model_files import IMAGE, write_data

HEIGHT, WIDTH, COLOURS = IMAGE
LABELS = np.arange(30.0) % 5


def faces(seed: int = 1, count: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (count, COLOURS, HEIGHT, WIDTH)).astype("f4")


def with_patch(images: np.ndarray) -> np.ndarray:
    found = images.copy()
    found[:, :, 2:4, 1:4] = np.array([250, 10, 90])[:, None, None]
    return found


def found(folder: Path, clean: np.ndarray, poisoned: np.ndarray, labels: np.ndarray = LABELS) -> TriggerRegion | str:
    sets: list[Dataset] = []
    for name, images, said in (("clean", clean, labels), ("poisoned", poisoned, np.zeros(len(poisoned)))):
        path = write_data(folder / f"{name}.h5", images.astype("f4"), said[: len(images)])
        sets.append(open_dataset(path, None, None))
    return find_trigger(*sets, lambda: None)


def test_a_patch_is_found_with_its_place_and_colour(tmp_path: Path) -> None:
    at = found(tmp_path, faces(), with_patch(faces()))
    assert at == TriggerRegion(2, 1, 2, 3, 6, (250.0, 10.0, 90.0))


def test_a_trigger_in_two_places_is_one_region(tmp_path: Path) -> None:
    images = faces()
    poisoned = images.copy()
    poisoned[:, 0, 0, 0], poisoned[:, 0, 7, 5] = 255, 255
    at = found(tmp_path, images, poisoned)
    assert isinstance(at, TriggerRegion) and (at.top, at.left, at.height, at.width, at.pixels) == (0, 0, 8, 6, 2)


def test_what_the_first_images_do_not_show_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger, "BATCH", 4)
    images = faces()
    poisoned = with_patch(images)
    poisoned[20:, :, 7, 5] = 255
    at = found(tmp_path, images, poisoned)
    assert isinstance(at, TriggerRegion) and at.pixels == 7
    assert at.colour[1] == pytest.approx(np.mean([10] * 6 + [poisoned[:, 1, 7, 5].mean()]))


@pytest.mark.parametrize("border", [0, 1, 2])
def test_a_shuffled_set_is_refused_whatever_its_borders(border: int, tmp_path: Path) -> None:
    images = faces()
    if border:
        inner = images[:, :, border:-border, border:-border].copy()
        images[:] = 7
        images[:, :, border:-border, border:-border] = inner
    poisoned = with_patch(images[::-1])
    assert (
        "label" in str(found(tmp_path, images, poisoned))
        if border
        else "all over" in str(found(tmp_path, images, poisoned))
    )


def test_two_images_that_changed_places_are_enough(tmp_path: Path) -> None:
    images = faces()
    order = np.arange(30)
    order[[3, 17]] = 17, 3
    assert isinstance(found(tmp_path, images, with_patch(images[order])), str)


def test_twins_of_one_label_may_change_places(tmp_path: Path) -> None:
    images = faces()
    images[5], labels = images[0], LABELS
    assert labels[5] == labels[0]
    assert isinstance(found(tmp_path, images, with_patch(images), labels), TriggerRegion)
    other = labels.copy()
    other[5] = 4
    assert "look alike" in str(found(tmp_path, images, with_patch(images), other))


def test_other_sets_are_refused_with_the_reason(tmp_path: Path) -> None:
    images = faces()
    assert "30 clean and 29 poisoned" in str(found(tmp_path, images, with_patch(images)[:29]))
    assert "no poisoned image differs" in str(found(tmp_path, images, images))
    assert "all over the picture" in str(found(tmp_path, images, images + 1))


# --- the range of a threshold's step ---


def plain_ranges(right: np.ndarray, points: float, seed: int) -> list[int]:
    """First steps of resamples, drawn image by image."""
    rng, images = np.random.default_rng(seed), right.shape[1]
    found = []
    for _ in range(2000):
        drawn = right[:, rng.integers(0, images, images)].sum(axis=1)
        drops = 100 * (drawn[0] - drawn) / images
        found.append(next((step for step, drop in enumerate(drops) if drop >= points), len(right)))
    return sorted(found)


def history() -> np.ndarray:
    """Forty steps over 500 images; more and more are answered wrongly."""
    rng = np.random.default_rng(5)
    ends = rng.integers(10, 60, 500)
    return np.arange(41)[:, None] < ends[None]


def test_the_range_is_that_of_images_drawn_one_by_one() -> None:
    right = history()
    for threshold in ("2", "10", "30"):
        plain = plain_ranges(right, float(threshold), seed=9)
        low, high = step_ranges(right, (threshold,))[threshold]
        assert low is not None and high is not None
        assert abs(low - plain[50]) <= 1 and abs(high - plain[1949]) <= 1
    assert step_ranges(right, ("2", "30")) == step_ranges(right, ("2", "30")), "the seed is fixed"
    assert (RESAMPLES, SEED) == (1000, 0)


def test_ends_beyond_the_last_step_are_none() -> None:
    right = history()
    assert step_ranges(right, ("99",)) == {"99": (None, None)}
    assert step_ranges(right[:15], ("10",))["10"][1] is None
    assert step_ranges(right, ("0",)) == {"0": (0, 0)}


def test_first_steps_are_decided_on_whole_numbers() -> None:
    lost = 100 * np.array([[0, 45, 46], [0, 44, 45], [0, 1, 2]])  # of 2250 images: exactly 2 points are 45
    assert first_steps(lost, "2", 2250).tolist() == [1, 2, 3]
    assert first_steps(lost, "2.0", 2250).tolist() == [1, 2, 3]


def test_the_middle_leaves_a_fortieth_on_either_side() -> None:
    assert middle(np.arange(1000), 1000) == (25, 974)
    assert middle(np.full(1000, 7), 7) == (None, None)
