"""Scores, thresholds and ROC of detectors, against SciPy where it is installed, and plain NumPy."""

from itertools import pairwise, product

import numpy as np
import pytest

from engine.analysis import detectors

RNG = np.random.default_rng(5)
GROUPS = [
    (RNG.normal(size=70), RNG.normal(1, 1, 70)),
    (RNG.integers(0, 6, 60).astype(float), RNG.integers(2, 9, 45).astype(float)),
    (np.zeros(9), np.zeros(4)),
    (np.arange(5.0), np.arange(5.0) + 100),
]


@pytest.mark.parametrize(("clean", "poisoned"), GROUPS)
def test_the_area_is_that_of_mann_and_whitney(clean: np.ndarray, poisoned: np.ndarray) -> None:
    stats = pytest.importorskip("scipy.stats")
    statistic = stats.mannwhitneyu(poisoned, clean).statistic
    assert detectors.area(clean, poisoned) == pytest.approx(statistic / len(clean) / len(poisoned))
    pairs = [(bad > good) + (bad == good) / 2 for good, bad in product(clean, poisoned)]
    assert detectors.area(clean, poisoned) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(("clean", "poisoned"), GROUPS)
def test_the_roc_counts_images_from_the_most_suspicious_one_down(clean: np.ndarray, poisoned: np.ndarray) -> None:
    """Its corners are cumulative counts behind each run of equal scores; the area lies below the line through them."""
    labels, scores = np.repeat([0, 1], (len(clean), len(poisoned))), np.concatenate([clean, poisoned])
    down = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[down])), len(scores) - 1)
    hits = np.append(0, np.cumsum(labels[down])[ends]) / len(poisoned)
    alarms = np.append(0, np.cumsum(1 - labels[down])[ends]) / len(clean)
    assert detectors.area(clean, poisoned) == pytest.approx(np.trapezoid(hits, alarms))
    found = detectors.roc(clean, poisoned)
    if len(hits) <= detectors.POINTS:
        np.testing.assert_allclose(found, np.stack([alarms, hits], 1))
    else:
        assert all(y == pytest.approx(hits[alarms <= x + 1e-9].max()) for x, y in found[1:])


@pytest.mark.parametrize(("clean", "poisoned"), GROUPS)
def test_every_point_of_the_roc_is_a_threshold(clean: np.ndarray, poisoned: np.ndarray) -> None:
    points = detectors.roc(clean, poisoned)
    assert points[0] == (0, 0) and points[-1] == (1, 1)
    assert all(a <= b for a, b in pairwise(points))
    if len(points) <= detectors.POINTS:
        cuts = [np.inf, *sorted({*clean, *poisoned}, reverse=True)]
        assert points == tuple((float(np.mean(clean >= cut)), float(np.mean(poisoned >= cut))) for cut in cuts)
        low = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
        assert low == pytest.approx(detectors.area(clean, poisoned))


def test_a_long_roc_is_read_off_from_below() -> None:
    clean, poisoned = RNG.normal(size=3000), RNG.normal(0.5, 1, 2000)
    points = detectors.roc(clean, poisoned)
    assert len(points) == detectors.POINTS + 1
    for alarms, hits in points[2:-1]:
        cut = np.sort(clean)[::-1][round(alarms * 3000)]  # the first clean image that may not be flagged
        assert hits == pytest.approx(np.mean(poisoned > cut), abs=2 / 2000)


def test_the_interval_is_that_of_a_bootstrap() -> None:
    stats = pytest.importorskip("scipy.stats")
    clean, poisoned = GROUPS[0]

    def area(good: np.ndarray, bad: np.ndarray) -> float:
        return detectors.area(good, bad)

    theirs = stats.bootstrap(
        (clean, poisoned), area, n_resamples=1000, vectorized=False, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert detectors.area_interval(clean, poisoned) == pytest.approx(tuple(theirs), abs=0.015)
    assert detectors.area_interval(*GROUPS[3]) == (1, 1) and detectors.area_interval(*GROUPS[2]) == (0.5, 0.5)
    assert detectors.area_interval(clean, poisoned) == detectors.area_interval(clean, poisoned)


@pytest.mark.parametrize("images", [1, 20, 70, 99, 100, 101, 1000])
@pytest.mark.parametrize("percent", [1, 5])
def test_a_threshold_flags_no_more_validation_images_than_it_may(images: int, percent: int) -> None:
    scores = RNG.normal(size=images)
    limit = detectors.threshold(scores, percent)
    flagged = int((scores > limit).sum())
    assert 100 * flagged <= percent * images < 100 * (flagged + 1)
    tied = np.round(scores)
    assert 100 * (tied > detectors.threshold(tied, percent)).sum() <= percent * images


def test_g_along_the_order_is_the_first_step_that_disagrees() -> None:
    steps = [np.array([1, 2, 3, 4]), np.array([1, 5, 3, 4]), np.array([1, 2, 9, 4]), np.array([7, 2, 3, 4])]
    assert detectors.suspicion_by_order(steps).tolist() == [-3, -1, -2, -4]


def test_entropy_runs_over_the_classes_of_an_image() -> None:
    sure, torn, half = [1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]
    found = detectors.entropy(np.array([sure, torn, half]))
    assert found.shape == (3,)
    assert found == pytest.approx([0, np.log(4), np.log(2)])
    stats = pytest.importorskip("scipy.stats")
    given = RNG.dirichlet(np.ones(9), 5)
    assert detectors.entropy(given) == pytest.approx([stats.entropy(row) for row in given])


def test_images_are_blended_half_and_half() -> None:
    image, overlays = np.full((3, 2, 2), 100.0), np.stack([np.zeros((3, 2, 2)), np.full((3, 2, 2), 50.0)])
    found = detectors.blends(image, overlays)
    assert found.shape == overlays.shape
    assert (found[0] == 50).all() and (found[1] == 75).all()


@pytest.mark.parametrize("large", [detectors.LARGE, 3])
def test_distances_are_those_of_mahalanobis_with_a_shrunken_covariance(
    large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    monkeypatch.setattr(detectors, "LARGE", large)
    clean, others = RNG.normal(size=(30, 8)) @ RNG.normal(size=(8, 8)), RNG.normal(size=(5, 8))
    covariance = np.cov(clean.T)
    inverse = np.linalg.inv(covariance + 0.1 * np.trace(covariance) / 8 * np.eye(8))
    wanted = [spatial.distance.mahalanobis(row, clean.mean(axis=0), inverse) ** 2 for row in others]
    assert detectors.Distance(clean).of(others) == pytest.approx(wanted)


def test_features_without_spread_are_at_no_distance_from_themselves() -> None:
    clean = np.ones((12, 3))
    assert detectors.Distance(clean).of(clean).tolist() == [0] * 12
    assert detectors.held_out(clean).tolist() == [0] * 12


def test_validation_images_are_scored_by_what_the_others_fitted() -> None:
    clean = RNG.normal(size=(23, 4))
    found = detectors.held_out(clean)
    folds = np.random.RandomState(0).permutation(23) % detectors.FOLDS
    for at in (0, 7, 22):
        others = clean[folds != folds[at]]
        assert found[at] == pytest.approx(detectors.Distance(others).of(clean[at : at + 1])[0])
    assert found.mean() > detectors.Distance(clean).of(clean).mean()  # which is why they are held out


@pytest.mark.parametrize("classes", [5, 20], ids="{} classes".format)
def test_classes_in_turn_are_not_held_out_whole(classes: int) -> None:
    """A threshold for 5 % false alarms gives about that many on images of the same classes."""
    rng = np.random.RandomState(3)
    middles = rng.normal(size=(classes, 60)) * 5

    def images(each: int) -> np.ndarray:
        """Features of so many images of each class, the classes in turn."""
        return np.tile(middles, (each, 1)) + rng.normal(size=(classes * each, 60))

    clean = images(1000 // classes)
    threshold = np.quantile(detectors.held_out(clean), 0.95)
    assert 0.02 < (detectors.Distance(clean).of(images(1000 // classes)) > threshold).mean() < 0.09
