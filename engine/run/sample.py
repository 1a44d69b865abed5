"""Which images of a set stand for all of it, and which of them a detector has flagged."""

import numpy as np

from engine.api.protocol import Detected, DetectorName, SetName


def evenly(images: int, most: int) -> np.ndarray:
    """The numbers of at most `most` images, evenly spaced from the first on; all of them where there are no more."""
    count = min(images, most)
    found: np.ndarray = np.arange(count) * images // max(1, count)
    return found


def flagged(detected: Detected, name: DetectorName, images: dict[SetName, int], of: SetName) -> np.ndarray:
    """Images of the clean or the poisoned test set that a detector flags at 5 % false alarms, by number."""
    detector = next((each for each in detected.detectors if each.name == name), None)
    if detector is None or of not in images:
        return np.arange(0)
    count = detector.images[1 if of == "test" else 2]
    bits = detector.flagged_test if of == "test" else detector.flagged_poisoned
    found: np.ndarray = evenly(images[of], count)[np.unpackbits(np.frombuffer(bits, "uint8"))[:count].astype(bool)]
    return found


def flagged_by(
    detected: Detected, images: dict[SetName, int], of: SetName, index: int
) -> tuple[DetectorName, ...] | None:
    """The detectors that flag an image; None where none of them has looked at it."""
    looked = [at.name for at in detected.detectors if index in evenly(images[of], at.images[1 if of == "test" else 2])]
    found = tuple(name for name in looked if index in flagged(detected, name, images, of))
    return found if looked else None
