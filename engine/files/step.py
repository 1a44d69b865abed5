"""A layer together with what it is fed with: what the rules for shapes work on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.files.finding import Finding, layer_line, quoted

Shape = tuple[int, ...]  # without the batch axis


class Step(NamedTuple):
    """One layer in place: its checked settings and the shapes of its inputs."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[Shape, ...]

    def refused(self, text: str) -> Finding:
        return layer_line(self.name, self.kind, text)

    def outside(self, key: str) -> Finding:
        """The refusal of a setting that does not fit what the layer is fed with."""
        return self.refused(f"has {key}={quoted(self.config[key])}, outside the allowed values.")

    def unequal(self) -> Finding:
        shown = ", ".join(map(batched, self.inputs[:4]))
        return self.refused(f"is fed with shapes that do not fit: {shown}.")

    def single(self) -> Shape:
        """The shape of the only input."""
        if len(self.inputs) != 1:
            raise self.refused(f"has {len(self.inputs)} inputs, expected one.")
        return self.inputs[0]

    def image(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the only input."""
        shape = self.single()
        if len(shape) != 3:
            raise self.refused(f"is fed with shape {batched(shape)}, expected images.")
        return shape[0], shape[1], shape[2]


def batched(shape: Sequence[int]) -> str:
    """A shape as Keras writes it, with the batch axis: (None, 5)."""
    return f"({', '.join(['None', *map(str, shape)])})"


def axes_of(axis: int | list[int], rank: int) -> list[int]:
    """Axes of a shape without batch axis, ascending, from axes that count the batch axis."""
    axes = [axis] if isinstance(axis, int) else axis
    return sorted(a - 1 if a > 0 else a + rank for a in axes)
