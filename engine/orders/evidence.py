"""What an order may look at: the network, its features, and the images that they are features of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.api.progress import Check
from engine.api.protocol import SetName

if TYPE_CHECKING:  # which imports Keras
    from engine.network.build import Cut, Network
    from engine.network.stores import Features, Tail


@dataclass(frozen=True)
class Evidence:
    """A network that is cut at its ranking feature, with the features of every image.

    `rows`: where each set's images are in `rest.store`. `labels`: (images,) of each set; of a poisoned one the
    attack's targets. `images`: a set's images in batches of a size, as the lab stores them (n, C, H, W), of which the
    network takes `scale` times. `check` runs between batches, and may raise to stop. `halved` hears of smaller batches,
    `progress` how many channels have found their place, where that takes long.
    """

    network: "Network"
    at: "Cut"
    rest: "Tail"
    rows: Mapping[SetName, slice]
    labels: Mapping[SetName, np.ndarray]
    images: Callable[[SetName, int], Iterator[np.ndarray]]
    scale: float
    batch: int
    check: Check
    halved: Callable[[int], None] = lambda _: None
    progress: Callable[[int], None] = lambda _: None

    @property
    def store(self) -> "Features":
        return self.rest.store

    @property
    def channels(self) -> int:
        return len(self.store.base)

    def weights(self) -> list[np.ndarray]:
        """The pruned layer's filters (kh, kw, c_in, channels) and, where it has them, biases (channels,)."""
        found: list[np.ndarray] = self.network.layers[self.network.linear[self.at.layer]].get_weights()
        return found
