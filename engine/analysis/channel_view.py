"""A channel for the eye: which images excite it most, its filter, and what B loses as it alone fades."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.api import protocol as p
from engine.run.image_browser import rgb, shrinking
from engine.run.run import LARGEST_MAP, SHOWN, Run, blocks
from engine.run.sample import evenly

if TYPE_CHECKING:  # which imports Keras
    from engine.analysis.tail import Tail

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of its activation that a fading channel keeps
SAMPLE = 500  # images of a set that fading is tried on
NUMBERS = 60_000_000  # of features that are looked through for the image that excites a channel most
AT_ONCE = 4_000_000  # of them at a time


class ChannelLook:
    """Looks at channels of one run; what they share is built once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.store = run.evaluator.rest.store

    def view(self, channel: int) -> p.ChannelView:
        """Everything there is to see of a channel. Looking changes nothing of the run."""
        excited = tuple(self.excited(channel, name) for name in SHOWN if name in self.run.inputs.rows)
        return replace(
            self.run.channel_view(channel),
            excited=tuple(each for each in excited if each),
            filter=self.filter(channel),
            fading=self.fading(channel),
        )

    def excited(self, channel: int, name: p.SetName) -> p.ExcitedImage | None:
        """The image of a set with the highest mean activation of the channel; None where it is active on none."""
        data, first = self.run.inputs.sets[name], self.run.inputs.rows[name].start
        rows = first + evenly(data.images, max(1, NUMBERS // self.store.base.size))
        rows = rows[self.store.active[channel, rows]]
        best, highest = -1, -np.inf
        for part in self.parts(rows):
            means = self.store.images(part)[:, channel].mean(axis=1, dtype="float64")  # (images,)
            if means.max() > highest:
                best, highest = int(part[means.argmax()]), float(means.max())
        if best < 0:
            return None
        own = self.store.images(np.array([best]))[0, channel].astype("float64")  # (positions,)
        _, height, width = data.shape
        every = shrinking(height, width)
        shown = blocks(own.reshape(self.run.feature_shape), LARGEST_MAP).ravel()
        index = best - first
        return p.ExcitedImage(
            name, index, int(data.labels[index]), highest, -(-height // every), -(-width // every), rgb(data, index),
            tuple(shown.tolist()),
        )  # fmt: skip

    def parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Rows, as many at a time as memory is meant to hold features of."""
        size = max(1, AT_ONCE // self.store.base.size)
        for start in range(0, len(rows), size):
            self.run.check()
            yield rows[start : start + size]

    def filter(self, channel: int) -> p.Filter:
        """The weights of the channel's filter, a row for each of its positions, and its bias."""
        kernel, *bias = self.run.material.weights()  # (kh, kw, c_in, channels), (channels,)
        own = kernel[..., channel].astype("float64")
        height, width, inputs = own.shape
        shown = blocks(own.reshape(height * width, inputs), LARGEST_MAP)
        rows, columns = shown.shape
        weights = tuple(shown.ravel().tolist())
        return p.Filter(height, width, inputs, rows, columns, weights, float(bias[0][channel]) if bias else None)

    @cached_property
    def fading_sample(self) -> dict[p.SetName, np.ndarray]:
        most = max(50, min(SAMPLE, NUMBERS // (4 * self.store.base.size)))
        inputs = self.run.inputs
        return {
            name: inputs.rows[name].start + evenly(inputs.sets[name].images, most)
            for name in SHOWN
            if name in inputs.rows
        }

    def fading(self, channel: int) -> p.Fading:
        """Hits of B on a sample of each set as the channel alone keeps less and less of its activation.

        At 0 the feature is what pruning makes it: (1 - share) of that, and `share` of what it is.
        """
        run, sample = self.run, self.fading_sample
        every = np.concatenate(list(sample.values()))
        labels = np.concatenate(
            [run.inputs.sets[name].labels[rows - run.inputs.rows[name].start] for name, rows in sample.items()]
        )
        features, others = self.store.images(every), self.store.crossing(every)  # (images, channels, positions)
        before, pruned, cut = features[:, channel].copy(), self.store.base[channel], len(sample["valid"])
        right = []
        for share in SHARES:
            run.check()
            features[:, channel] = pruned + share * (before - pruned)
            right.append((run.b_answers[every] if share == 1 else self.tail(features, others)) == labels)
        return p.Fading(
            {name: len(rows) for name, rows in sample.items()},
            SHARES,
            tuple(int(each[:cut].sum()) for each in right),
            tuple(int(each[cut:].sum()) for each in right) if "poisoned" in sample else None,
        )

    @cached_property
    def tail(self) -> "Tail":
        from engine.analysis.tail import Tail, answers_of

        rest = self.run.evaluator.rest
        return Tail(rest.network, rest.at, answers_of, self.run.halved)
