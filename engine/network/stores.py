"""What is asked of features and of the network behind them, wherever they lie.

With the host, channels first, for a CPU: `FeatureStore` in `features`, and `Rest` in `pruned_tail`, which computes only
images on which a channel is active. On the device, images first, for a card: `DeviceFeatures` and `DeviceTail`, which
compute whole chunks of images. Both give the same answers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.api.progress import Check, Done, never_stop, untold

if TYPE_CHECKING:  # which imports Keras
    from engine.network.build import Cut, Network


class Features(Protocol):
    """Features of all images. `active` (channels, images): where a channel differs from `base` (channels, positions).

    `shapes`: of each tensor that crosses the cut, for one image, as Keras lays it out, the feature first.
    """

    @property
    def base(self) -> np.ndarray: ...

    @property
    def active(self) -> np.ndarray: ...

    @property
    def shapes(self) -> Sequence[tuple[int, ...]]: ...

    def means(self, rows: slice) -> np.ndarray:
        """Mean of each channel over some images and all positions: (channels,), summed in double precision."""

    def maxima(self, rows: slice) -> np.ndarray:
        """Maximum of each channel over some images and all positions: (channels,)."""

    def mean_map(self, channel: int, rows: slice) -> np.ndarray:
        """Mean of a channel over some images: (positions,), summed in double precision."""

    def images(self, rows: np.ndarray) -> np.ndarray:
        """The feature of some images: (rows, channels, positions)."""

    def crossing(self, rows: np.ndarray) -> list[np.ndarray]:
        """What else crosses the cut, of some images: (rows, ..) each."""


class Tail(Protocol):
    """The network `network` behind the cut `at`, on the features of `store`."""

    @property
    def network(self) -> "Network": ...

    @property
    def at(self) -> "Cut": ...

    @property
    def store(self) -> Features: ...

    def answers(
        self,
        pruned: np.ndarray,
        rows: np.ndarray,
        check: Check = never_stop,
        done: Done = untold,
    ) -> np.ndarray:
        """Answers (rows,) of the images `rows` where the channels of the mask `pruned` are gone, uint16.

        `check` runs before each batch and may raise to stop; `done` is told how many of how many are under way.
        """
