"""The network behind the cut, computed for the channels that still matter.

The rest takes the feature as slots, one for a channel. Where the feature is read only by convolutions and dense
layers, and a pruned channel holds zeros, a channel that holds nothing but zeros adds nothing to their sums: it gets no
slot, and their kernels lose its slice. Elsewhere every channel has its slot, and pruned ones hold the base.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from engine.api.progress import Check, Done, never_stop, untold
from engine.architecture.graph import DROPOUT
from engine.network.build import Cut, Network, wire
from engine.network.features import FeatureStore
from engine.network.graph_operations import answers
from engine.network.model_runner import FEWEST_ROWS, Forward
from engine.network.pipeline import map_threaded

SLOTS = 4  # slots come in steps of so many
FEW_POSITIONS = 32  # of a convolution's output; up to here a matrix product is faster than the backends' convolutions


@dataclass(frozen=True)
class ChannelConsumer:
    """A layer that sums over the channels of the feature: `flat` after a Flatten. `kernel` (.., channels, units)."""

    name: str
    flat: bool
    kernel: np.ndarray

    def input_shape(self) -> tuple[int | None, ...]:
        """The shape that `slice` gives, for any number of slots."""
        return (None, self.kernel.shape[-1]) if self.flat else (*self.kernel.shape[:-2], None, self.kernel.shape[-1])

    def patch_size(self, layer: Any) -> int:
        """Numbers an image in the patches of all positions; none where no patches are made."""
        return prod(layer.output.shape[1:-1]) * prod(self.kernel.shape[:-1]) if looks_at_patches(layer) else 0

    def slice(self, channels: np.ndarray, slots: int) -> np.ndarray:
        """The kernel for these channels (.., slots, units); slots beyond them are zero."""
        found = np.zeros((*self.kernel.shape[:-2], slots, self.kernel.shape[-1]), "float32")
        found[..., : len(channels), :] = self.kernel[..., channels, :]
        return found.reshape(-1, found.shape[-1]) if self.flat else found


def readers(network: Network, at: Cut) -> list[ChannelConsumer] | None:
    """The layers that read the feature, when all of them sum over channels; else None."""
    found, names = [], [(at.feature, False)]
    channels = at.base.shape[-1]
    for name, flat in names:
        for layer in network.readers(name):
            if layer.kind in DROPOUT or (layer.kind == "Flatten" and not flat):
                names.append((layer.name, flat or layer.kind == "Flatten"))
            elif layer.kind == "Dense" or (layer.kind == "Conv2D" and layer.config.get("groups", 1) == 1):
                kernel = keras.ops.convert_to_numpy(network.layers[layer.name].kernel)
                shape = (-1, channels, kernel.shape[-1]) if flat else kernel.shape
                found.append(ChannelConsumer(layer.name, flat, kernel.reshape(shape)))
            else:
                return None
    return found


class SumOver(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A Conv2D or Dense layer with its kernel given at each call: inputs (n, .., slots) and (.., slots, units)."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.inner = layer

    def call(self, inputs: tuple[Any, Any]) -> Any:
        values, kernel = inputs
        units, inner = kernel.shape[-1], self.inner
        if looks_at_patches(inner):
            values = patches(values, inner)
        elif isinstance(inner, keras.layers.Conv2D):
            sums = keras.ops.conv(values, kernel, inner.strides, inner.padding, dilation_rate=inner.dilation_rate)
            return sums + inner.bias if inner.use_bias else sums
        rows = keras.ops.reshape(values, (-1, keras.ops.shape(values)[-1]))
        sums = keras.ops.matmul(rows, keras.ops.reshape(kernel, (-1, units)))
        sums = sums + inner.bias if inner.use_bias else sums
        return keras.ops.reshape(sums, (-1, *inner.output.shape[1:]))

    def compute_output_shape(self, _shapes: Any) -> Any:
        return self.inner.output.shape


def looks_at_patches(layer: Any) -> bool:
    """Whether a layer's sums are a matrix product over what each of its positions looks at."""
    return isinstance(layer, keras.layers.Conv2D) and prod(layer.output.shape[1:-1]) <= FEW_POSITIONS


def patches(values: Any, layer: Any) -> Any:
    """What each position of a convolution looks at, in its kernel's order: (n, rows, columns, kernel x channels)."""
    _, *space, _ = layer.output.shape
    spans = [range(0, size * step, step) for size, step in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    reach = [(size - 1) * stride + span[-1] + 1 for size, stride, span in zip(space, layer.strides, spans, strict=True)]
    if layer.padding == "same":
        missing = [max(0, end - size) for end, size in zip(reach, values.shape[1:3], strict=True)]
        values = keras.ops.pad(values, [(0, 0), *((each // 2, each - each // 2) for each in missing), (0, 0)])
    ends = [(size - 1) * stride + 1 for size, stride in zip(space, layer.strides, strict=True)]
    down, across = layer.strides
    found = [values[:, i : i + ends[0] : down, j : j + ends[1] : across] for i in spans[0] for j in spans[1]]
    return keras.ops.concatenate(found, axis=-1)


class PrunedTail:
    """Answers of B with channels pruned, from the features alone."""

    def __init__(self, network: Network, at: Cut, store: FeatureStore, batch: int, note: Callable[[int], None]) -> None:
        self.network, self.at, self.store = network, at, store
        self.ever_active = store.active.any(axis=1)
        self.readers = None if store.base.any() else readers(network, at)
        model = rest_model(network, at, [array.shape[1:] for array in store.others], self.readers)
        self.forward = Forward(model, 1 + len(store.others), note)
        between = sum(reader.patch_size(network.layers[reader.name]) for reader in self.readers or [])
        self.batch = self.forward.fitting(batch, unknown=len(store.base), more=between)

    def answers(
        self,
        pruned: np.ndarray,
        rows: np.ndarray,
        check: Check = never_stop,
        done: Done = untold,
    ) -> np.ndarray:
        """Answers (rows,) of the images `rows` where the channels of the mask `pruned` are gone.

        They depend on the mask alone, not on the way to it. `check` runs before each batch, and may raise to stop;
        `done` is told how many rows, of how many, come before it.
        """
        channels = np.flatnonzero(~pruned & self.ever_active) if self.readers else np.arange(len(pruned))
        slots = self.slot_count(len(channels)) if self.readers else len(channels)
        kernels = [reader.slice(channels, slots) for reader in self.readers or []]

        def answered(part: np.ndarray) -> np.ndarray:
            others = [self.store.take(array, part) for array in self.store.others]
            answers = self.forward([self.slots(part, channels, slots, pruned), *others, *kernels])[0]
            return answers.astype("uint16")

        found = list(map_threaded(answered, self.parts(rows, check, done), self.forward.threads))
        return np.concatenate(found) if found else np.empty(0, "uint16")

    def parts(self, rows: np.ndarray, check: Check, done: Done) -> Iterator[np.ndarray]:
        """`rows` in batches, each behind a check; as many at least as there are threads, where that is worth one."""
        shared = max(FEWEST_ROWS, -(-len(rows) // self.forward.threads))
        size = min(self.batch, shared)
        for start in range(0, len(rows), size):
            check()
            done(start, len(rows))
            yield rows[start : start + size]

    def slot_count(self, channels: int) -> int:
        """How many slots to make for so many channels: few sizes, and very few where each is compiled."""
        if self.forward.fixed_shapes:
            return max(SLOTS, 1 << (channels - 1).bit_length()) if channels else SLOTS
        return max(SLOTS, -(-channels // SLOTS) * SLOTS)

    def slots(self, rows: np.ndarray, channels: np.ndarray, slots: int, pruned: np.ndarray) -> np.ndarray:
        """The feature (rows, slots, positions) of some images: their channels, pruned ones at the base."""
        found = np.zeros((len(rows), slots, self.store.base.shape[1]), "float32")
        for slot, channel in enumerate(channels):
            found[:, slot] = (
                self.store.base[channel] if pruned[channel] else self.store.take(self.store.values[channel], rows)
            )
        return found


def rest_model(network: Network, at: Cut, others: list[tuple[int, ...]], readers: list[ChannelConsumer] | None) -> Any:
    """From slots (n, slots, positions), what else crosses the cut (n, ..) and the readers' kernels, to answers (n,)."""
    *space, channels = at.base.shape
    width = channels if readers is None else None
    slots = keras.Input((width, prod(space)))
    feature = keras.layers.Reshape((*space, channels if readers is None else -1))(keras.layers.Permute((2, 1))(slots))
    crossing = [keras.Input(shape) for shape in others]
    known = dict(zip(at.crossing, [feature, *crossing], strict=True))
    kernels = [keras.Input(batch_shape=reader.input_shape()) for reader in readers or []]
    for reader, kernel in zip(readers or [], kernels, strict=True):
        values = keras.layers.Reshape((-1,))(feature) if reader.flat else feature
        known[reader.name] = SumOver(network.layers[reader.name])((values, kernel))
    scores = wire(network.spec, network.layers, known, [network.spec.output])[network.spec.output]
    return keras.Model([slots, *crossing, *kernels], answers(scores))
