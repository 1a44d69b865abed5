"""The greedy oracle: at each step prune the channel whose loss makes validation accuracy minus ASR largest."""

import numpy as np

from engine.orders.evidence import Evidence


def scores(material: Evidence) -> np.ndarray:
    """Each channel's place in the order: (channels,). Takes channels² / 2 evaluations of the network's rest."""
    places = np.empty(material.channels)
    balance = Balance(material)
    for place in range(material.channels):
        material.progress(place)
        places[balance.prune_best()] = place
    return places


class Balance:
    """Which images are answered with their label, or their target, under the channels `pruned` so far.

    `right`: (images of the run,), bool; only clean validation and poisoned test images, `decide`, are looked at.
    """

    def __init__(self, material: Evidence) -> None:
        self.material, self.pruned = material, np.zeros(material.channels, bool)
        self.valid, self.poisoned = material.rows["valid"], material.rows["poisoned"]
        images = material.store.active.shape[1]
        self.labels = np.zeros(images, "int64")
        self.labels[self.valid], self.labels[self.poisoned] = material.labels["valid"], material.labels["poisoned"]
        self.decide = np.zeros(images, bool)
        self.decide[self.valid] = self.decide[self.poisoned] = True
        self.right = self.answered(np.zeros(images, bool), self.pruned, np.flatnonzero(self.decide))

    def prune_best(self) -> int:
        """Prune the best channel of those left, the lower index among equals, and return it."""
        best, right = -1, self.right
        for channel in map(int, np.flatnonzero(~self.pruned)):
            after = self.without(channel)
            if best < 0 or self.value(after) > self.value(right):
                best, right = channel, after
        self.pruned[best], self.right = True, right
        return best

    def without(self, channel: int) -> np.ndarray:
        """What is right when this channel goes too: only images on which it is active can change."""
        images = np.flatnonzero(self.material.store.active[channel] & self.decide)
        if not len(images):
            return self.right
        mask = self.pruned.copy()
        mask[channel] = True
        return self.answered(self.right, mask, images)

    def answered(self, right: np.ndarray, mask: np.ndarray, images: np.ndarray) -> np.ndarray:
        found = right.copy()
        answers = self.material.rest.answers(mask, images, self.material.check)
        found[images] = answers == self.labels[images]
        return found

    def value(self, right: np.ndarray) -> int:
        """Validation accuracy minus attack success rate, times the images of both sets: a whole number."""
        accuracy = int(np.count_nonzero(right[self.valid])) * len(right[self.poisoned])
        return accuracy - int(np.count_nonzero(right[self.poisoned])) * len(right[self.valid])
