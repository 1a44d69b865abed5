"""One pass over a batch: on a device without memory, by several threads, for networks that the backend rewrites."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from engine.network.backend import load
from engine.network.model_runner import Forward

pytestmark = pytest.mark.keras
Small = tuple[Forward, list[int], list[int]]  # a forward pass, the limits it told of, the rows it ran
IMAGES = np.arange(100, dtype="float32").reshape(100, 1)


class ResourceExhaustedError(Exception):
    """By its name what TensorFlow raises."""


@pytest.fixture
def small_device() -> Callable[..., Small]:
    """Makes a forward pass on a device with room for so many rows."""
    keras = load()
    inputs = keras.Input((1,))
    model = keras.Model([inputs], keras.layers.Rescaling(3.0)(inputs))

    def make(room: int, error: Exception | None = None) -> Small:
        told: list[int] = []
        ran: list[int] = []
        forward = Forward(model, 1, told.append)
        whole = forward.call

        def call(*arrays: Any) -> Any:
            if len(arrays[0]) > room:
                raise error or ResourceExhaustedError("OOM when allocating tensor")
            ran.append(len(arrays[0]))
            return whole(*arrays)

        forward.call, forward.fixed_shapes = call, False
        return forward, told, ran

    return make


@pytest.mark.parametrize(("room", "told"), [(100, []), (99, [50]), (30, [25]), (1, [1])])
def test_batches_are_halved_until_they_fit(room: int, told: list[int], small_device: Callable[..., Small]) -> None:
    forward, heard, ran = small_device(room)
    for _ in range(2):
        assert np.array_equal(forward([IMAGES])[0], 3 * IMAGES)
    assert heard == told
    assert sum(ran) == 200 and max(ran) <= room


def test_room_for_no_image_at_all_is_an_error(
    small_device: Callable[..., Small],
) -> None:
    forward, heard, _ = small_device(0)
    with pytest.raises(ResourceExhaustedError):
        forward([IMAGES])
    assert heard == []


def test_other_errors_are_not_taken_for_it(small_device: Callable[..., Small]) -> None:
    forward, heard, _ = small_device(10, ValueError("other"))
    with pytest.raises(ValueError, match="other"):
        forward([IMAGES])
    assert heard == []


def test_two_threads_that_find_it_out_at_once_halve_once(
    small_device: Callable[..., Small],
) -> None:
    forward, heard, _ = small_device(60)
    both, first, found = threading.Barrier(2, timeout=30), forward.call, []

    def call(*arrays: Any) -> Any:
        if len(arrays[0]) == 100:
            both.wait()
        return first(*arrays)

    def work() -> None:
        found.append(forward([IMAGES])[0])

    forward.call = call
    each: Sequence[threading.Thread] = [threading.Thread(target=work) for _ in range(2)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert len(found) == 2 and all(np.array_equal(answer, 3 * IMAGES) for answer in found)
    assert heard == [50]


def test_operations_that_the_backend_cannot_join_stay_apart() -> None:
    """TensorFlow's optimiser joins these three into one that it has no kernel for."""
    keras = load()
    start = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="hard_silu")(start)
    model = keras.Model([start], keras.layers.LeakyReLU()(x))
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    found = Forward(model, 1)([images])[0]
    assert np.allclose(found, keras.ops.convert_to_numpy(model([images])), rtol=1e-5, atol=1e-5)
