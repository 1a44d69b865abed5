"""Answers of B, B' and G, and what they amount to: clean accuracy, attack success rate, detection."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.api.progress import Check, Done, untold
from engine.api.protocol import Counts, SetName
from engine.network.g_answers import g_answers

if TYPE_CHECKING:  # Keras is imported when it is needed, not with the words for answers
    from engine.network.stores import Tail


@dataclass(frozen=True)
class ImageSet:
    """A data set among all images of a run: its rows, and for each the label (or the attack's target), int64."""

    rows: slice
    labels: np.ndarray

    def hits(self, answers: np.ndarray) -> int:
        """Images of this set whose answer is their label; `answers` hold every image of the run."""
        return int(np.count_nonzero(answers[self.rows] == self.labels))


def counted(sets: dict[SetName, ImageSet], b: np.ndarray, b_prime: np.ndarray, classes: int) -> Counts:
    """What to report of a step: hits of B' and of G on each set that is there (`engine.api.protocol.Counts`)."""
    g = g_answers(b, b_prime, classes)
    found = Counts(valid=sets["valid"].hits(b_prime))
    if test := sets.get("test"):
        flagged = int(np.count_nonzero(g[test.rows] == classes))
        found = replace(found, test=test.hits(b_prime), g_test=test.hits(g), false_alarms=flagged)
    if poisoned := sets.get("poisoned"):
        flagged = int(np.count_nonzero(g[poisoned.rows] == classes))
        found = replace(found, poisoned=poisoned.hits(b_prime), g_poisoned=poisoned.hits(g), detected=flagged)
    return found


class Evaluator:
    """Answers (images,) of B with a set of channels pruned, over the first `images` rows of the features.

    Pruning a channel cannot change the answer to an image on which the channel is at its base, so only the others are
    computed again. `done` is told how far an answer under way is: so much of so much.
    """

    def __init__(self, rest: "Tail", images: int, done: Done = untold) -> None:
        self.rest, self.images, self.done = rest, images, done

    def all(self, pruned: np.ndarray, check: Check) -> np.ndarray:
        """Every answer under the mask `pruned` (channels,), from nothing."""
        return self.rest.answers(pruned, np.arange(self.images), check, self.done)

    def after(self, before: np.ndarray, pruned: np.ndarray, channel: int, check: Check) -> tuple[np.ndarray, int]:
        """Answers once `channel`, the latest in the mask `pruned`, is gone too, and how many images it took."""
        rows = np.flatnonzero(self.rest.store.active[channel, : self.images])
        answers = before.copy()
        answers[rows] = self.rest.answers(pruned, rows, check, self.done)
        return answers, len(rows)

    def after_several(
        self, before: np.ndarray, pruned: np.ndarray, channels: tuple[int, ...], check: Check
    ) -> tuple[np.ndarray, int]:
        """As `after`, once several channels are gone that were there `before`."""
        rows = np.flatnonzero(self.rest.store.active[list(channels), : self.images].any(axis=0))
        answers = before.copy()
        answers[rows] = self.rest.answers(pruned, rows, check, self.done)
        return answers, len(rows)

    def of(self, rows: slice, pruned: np.ndarray, check: Check) -> np.ndarray:
        """Answers for some rows only, also beyond `images`: a set that is looked at now and then."""
        return self.rest.answers(pruned, np.arange(rows.start, rows.stop), check)
