"""Stimulation and principal components, against plain loops."""

import numpy as np
import pytest

from engine.analysis import diagnosis

RNG = np.random.default_rng(6)


def test_the_level_is_high_among_positive_activations() -> None:
    features = RNG.normal(size=(20, 3, 6))
    positive = sorted(value for value in features.ravel() if value > 0)
    at = 0.999 * (len(positive) - 1)
    low, share = positive[int(at)], at - int(at)
    wanted = low + share * (positive[min(len(positive) - 1, int(at) + 1)] - low)
    assert diagnosis.level(features) == pytest.approx(wanted)
    assert diagnosis.level(-np.abs(features)) == 0


@pytest.mark.parametrize(
    ("height", "rows"),
    [(1, []), (2, [(0, 0), (1, 1)]), (5, [(at, at) for at in range(5)]), (9, [(0, 0), (1, 1), (7, 8)])],
)
def test_bands_cover_every_row_once(height: int, rows: list[tuple[int, int]]) -> None:
    found = diagnosis.bands(height)
    assert set(rows) <= set(found) and len(found) <= diagnosis.BANDS
    covered = [row for first, last in found for row in range(first, last + 1)]
    assert covered == (list(range(height)) if height > 1 else [])


def test_a_channel_is_driven_in_its_rows_and_nothing_else_changes() -> None:
    features = RNG.normal(size=(4, 3, 12))  # maps of 4 rows and 3 columns
    given = features.copy()
    for form in diagnosis.forms(3, 4):
        found = diagnosis.driven(features, form, 4, 7.0)
        for image, channel, row, column in np.ndindex(4, 3, 4, 3):
            on = channel == form.channel and (form.rows is None or form.rows[0] <= row <= form.rows[1])
            wanted = 7.0 if on else features[image, channel, 3 * row + column]
            assert found[image, channel, 3 * row + column] == wanted
    assert (features == given).all() and len(diagnosis.forms(3, 4)) == 3 * 5


def test_the_most_common_class_and_its_share() -> None:
    assert diagnosis.most_common(np.array([4, 2, 2, 9])) == (2, 0.5)
    assert diagnosis.most_common(np.array([9, 4, 9, 4])) == (4, 0.5)


def test_components_are_the_eigenvectors_of_the_covariance() -> None:
    clean, poisoned = RNG.normal(size=(30, 5)) * [5, 1, 1, 1, 1], RNG.normal([0, 9, 0, 0, 0], 1, (20, 5))
    found = diagnosis.principal_components(clean, poisoned)
    both = np.concatenate([clean, poisoned])
    values, vectors = np.linalg.eigh(np.cov(both.T))
    assert found.share == pytest.approx(tuple(values[::-1][:2] / values.sum()))
    points = np.concatenate([found.clean, found.poisoned])
    wanted = (both - both.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    for axis in (0, 1):
        largest = vectors[:, ::-1][np.abs(vectors[:, ::-1][:, axis]).argmax(), axis]
        np.testing.assert_allclose(points[:, axis], wanted[:, axis] * np.sign(largest), atol=1e-9)


def test_one_dimension_has_one_component() -> None:
    found = diagnosis.principal_components(np.array([[1.0], [2.0]]), np.array([[5.0]]))
    assert found.share == pytest.approx((1, 0)) and (found.clean[:, 1] == 0).all()
    assert np.diff(found.clean[:, 0]) == pytest.approx([1])
    same = diagnosis.principal_components(np.ones((3, 2)), np.ones((2, 2)))
    assert same.share == (0, 0) and (same.clean == 0).all()
