"""Whether a poisoned set is a clean one with a trigger: proven by pixels, image by image.

Two things make the proof. Each poisoned image equals the clean image of its number outside one region, the same for
all. And outside that region no two clean images with different labels are alike, so that nothing but the image of its
number, or one of the same label, can be what was poisoned. Robust accuracy needs the label from before.
"""

from hashlib import blake2b

import numpy as np

from engine.api.progress import Check
from engine.api.protocol import TriggerRegion
from engine.sandbox.data_set import Dataset

BATCH = 256


def find_trigger(clean: Dataset, poisoned: Dataset, check: Check) -> TriggerRegion | str:
    """The trigger, or why there is none that could be proven. `check` runs between batches; it may raise to stop."""
    if clean.images != poisoned.images:
        return f"there are {clean.images:,} clean and {poisoned.images:,} poisoned test images, so they are no pairs"
    region = np.zeros(clean.shape[1:], bool)
    while True:  # again with all of the region, where the first batch did not show all of it
        changed, outside, total, digests = _passed(clean, poisoned, region, check)
        if changed.all():
            return "poisoned images differ from the clean ones of the same number all over the picture"
        if not changed.any():
            return "no poisoned image differs from the clean one of the same number"
        if (changed == ~outside).all():
            break
        region = changed
    if _ambiguous(digests, clean.labels):
        return "outside the pixels that differ, clean images with different labels look alike"
    return _described(changed, total / clean.images)


def _passed(
    clean: Dataset, poisoned: Dataset, region: np.ndarray, check: Check
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[bytes]]:
    """Which pixels differ anywhere (H, W), which were outside the region that was known before most images were seen,
    the sum of the poisoned images (C, H, W), and a digest of each clean image's pixels outside.

    The region is the one given and what the first batch adds to it.
    """
    changed, outside, total, digests = region.copy(), ~region, np.zeros(clean.shape), []
    for number, (one, other) in enumerate(zip(clean.batches(BATCH), poisoned.batches(BATCH), strict=True)):
        check()
        changed |= (one != other).any(axis=(0, 1))
        if changed.all():
            break
        if number == 0:
            outside = ~changed
        total += other.sum(axis=0, dtype="float64")
        digests += [blake2b(image.tobytes(), digest_size=16).digest() for image in one[:, :, outside]]
    return changed, outside, total, digests


def _ambiguous(digests: list[bytes], labels: np.ndarray) -> bool:
    """Whether one digest stands for images of different labels."""
    seen: dict[bytes, int] = {}
    return any(seen.setdefault(digest, int(label)) != label for digest, label in zip(digests, labels, strict=True))


def _described(region: np.ndarray, mean: np.ndarray) -> TriggerRegion:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    colour = tuple(mean[:, region].mean(axis=1).tolist())
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    return TriggerRegion(top, left, height, width, int(region.sum()), colour)
