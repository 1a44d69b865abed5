"""A run that takes several channels a step: the steps that it stops at. Steps still count single channels."""

from collections.abc import Container, Iterator


def next_stop(step: int, stride: int, last: int) -> int:
    """The first step after `step` that a run stops at: a multiple of its stride, or the last."""
    return min(step - step % stride + stride, last)


def stops(stride: int, last: int) -> Iterator[int]:
    """Every step that a run stops at, from 0 to the last."""
    yield from range(0, last, stride)
    yield last


def known_steps(known: Container[int], stride: int, last: int) -> Iterator[int]:
    """The steps that are known, from 0 up to the first stop that is not."""
    for step in range(last + 1):
        if step in known:
            yield step
        elif step % stride == 0 or step == last:
            return
