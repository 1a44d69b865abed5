"""The inspector's part for data sets: from an open file to a checked description and its labels."""

import h5py
import numpy as np

from engine.architecture.description import DataSpec
from engine.file_safety.file_kind import content_kind
from engine.file_safety.hdf5 import child, has_attribute, member_names, open_descriptor, reading
from engine.file_safety.limits import DATA_BYTES, IMAGES
from engine.file_safety.refusal import FileRefused, quoted
from engine.file_safety.storage import check_storage, file_offset, refuse_torn

COLOURS = (1, 3, 4)  # how many channels images have that came from cameras
SAMPLE = 64  # images whose pixels are looked at before a run
SAMPLE_BYTES = 2**26
STEP = 2**20  # labels read at a time
Shape = tuple[int, int, int]


class DataSet:
    """A data file whose header is in order. `images` and `labels` are its HDF5 data sets."""

    def __init__(self, images: h5py.Dataset, labels: h5py.Dataset) -> None:
        self.images = images
        self.labels = labels

    def spec(self) -> DataSpec:
        low, high = _pixels(self.images)
        shape = tuple(int(size) for size in self.images.shape)
        notes = ("pixels 0..1, not 0..255",) if low >= 0 and high <= 1 else ()
        if not notes and not (low >= 0 and high <= 255):
            notes = (f"pixels {low:g}..{high:g}, not 0..255",)
        count, channels, rows, columns = shape
        offset = file_offset(self.images)
        return DataSpec((count, channels, rows, columns), self.images.dtype.str, offset, low, high, notes)


def open_images(descriptor: int, shape: Shape | None) -> DataSet:
    """Read and check the header of a data file. `shape`: height, width and channels of the model's images."""
    if content_kind(descriptor) == "zip":
        raise FileRefused(_is_model(shape))
    return images_in(open_descriptor(descriptor), shape)


def images_in(root: h5py.File, shape: Shape | None) -> DataSet:
    """The same for a file that is open already."""
    data, label = child(root, "data"), child(root, "label")
    if data is None or label is None:
        raise FileRefused(_nameless(root, shape, "label" if data is not None else "data"))
    images = check_storage("data", data, DATA_BYTES)
    labels = check_storage("label", label, 16 * IMAGES)
    _check_shapes(images, labels, shape)
    return DataSet(images, labels)


def expected(shape: Shape | None) -> str:
    """The shape of the images that the model takes, as a data file holds them: (N,3,55,47)."""
    return f"(N,{shape[2]},{shape[0]},{shape[1]})" if shape else "(N,channels,height,width)"


def wanted(shape: Shape | None) -> str:
    """What a data file should hold."""
    return f"Expected 'data' {expected(shape)} and 'label' (N,)."


def _is_model(shape: Shape | None) -> str:
    return f"is a model or another archive, expected a data set with 'data' {expected(shape)} and 'label' (N,)."


def _nameless(root: h5py.File, shape: Shape | None, missing: str) -> str:
    if has_attribute(root, "model_config", "layer_names", "layer_names0"):
        return "is a model, expected a data set. Choose it as the model instead."
    return f"has no {quoted(missing)}; it contains {member_names(root)}. {wanted(shape)}"


def _check_shapes(images: h5py.Dataset, labels: h5py.Dataset, shape: Shape | None) -> None:
    found = tuple(images.shape)
    if len(found) != 4 or 0 in found[1:]:
        raise FileRefused(f"'data' has shape {_shown(found)}, expected {expected(shape)}.")
    if found[0] == 0:
        raise FileRefused("contains 0 images.")
    if found[0] > IMAGES:
        raise FileRefused(f"contains {found[0]:,} images, the limit is {IMAGES:,}.")
    _check_image(found, shape)
    count = labels.shape
    if len(count) == 2 and count[1] > 1 and count[0] == found[0]:
        raise FileRefused(
            f"'label' is one-hot {_shown(count)}, expected class numbers (N,). Convert with: label.argmax(1)"
        )
    if len(count) not in (1, 2) or (len(count) == 2 and count[1] != 1):
        raise FileRefused(f"'label' has shape {_shown(count)}, expected (N,).")
    if count[0] != found[0]:
        raise FileRefused(f"has {found[0]:,} images but {count[0]:,} labels.")


def _check_image(found: tuple[int, ...], shape: Shape | None) -> None:
    """That each image has channels first and, if a model waits for it, its size."""
    if shape is None:
        last = found[3] in COLOURS and found[1] not in COLOURS
    elif found[1:] == (shape[2], shape[0], shape[1]):
        return
    else:
        last = found[1:] == shape
    if last:
        raise FileRefused(
            f"is stored channels-last {_shown(found)}, expected channels-first. Convert with: data.transpose(0,3,1,2)"
        )
    if shape is not None:
        needed = f"({shape[2]},{shape[0]},{shape[1]})"
        raise FileRefused(f"has images of shape {_shown(found[1:])}, the model needs {needed}.")


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def read_labels(labels: h5py.Dataset, classes: int | None) -> np.ndarray:
    """The labels as int64, one a row: whole numbers in 0..classes-1. Raises FileRefused for others."""
    limit = classes if classes is not None else 2**31
    found = np.empty(len(labels), np.int64)
    step = max(1, STEP // labels.chunks[0]) * labels.chunks[0] if labels.chunks else STEP
    wrong, first = 0, ""
    for start in range(0, len(labels), step):
        values = _read(labels, start, start + step).reshape(-1)
        with np.errstate(invalid="ignore"):
            bad = ~((values >= 0) & (values < limit))
            if values.dtype.kind == "f":
                bad |= values != np.floor(values)
            found[start : start + step] = values
        if bad.any():
            place = int(np.argmax(bad))
            first = first or f"label {start + place} is {str(values[place]).removesuffix('.0')}"
            wrong += int(bad.sum())
    if wrong:
        raise FileRefused(f"{first}, expected a whole number 0..{limit - 1} ({wrong:,} such labels).")
    return found


def _pixels(images: h5py.Dataset) -> tuple[float, float]:
    """The smallest and largest pixel of the first images. Raises FileRefused if one is no number."""
    each = images.dtype.itemsize * int(np.prod(images.shape[1:]))
    stored = _read(images, 0, max(1, min(SAMPLE, SAMPLE_BYTES // each)))
    with np.errstate(over="ignore", invalid="ignore"):
        sample = stored.astype(np.float32)
    bad = ~np.isfinite(sample.reshape(len(sample), -1))
    if bad.any():
        image = int(np.argmax(bad.any(axis=1)))
        raise FileRefused(pixel_line(image, float(stored[image].reshape(-1)[bad[image]][0])))
    return float(sample.min()), float(sample.max())


def pixel_line(image: int, value: float) -> str:
    return f"image {image} contains the value {value:g}, expected numbers 0..255."


def _read(data: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """Rows of a data set."""
    refuse_torn(data, start, stop)
    with reading():
        return np.asarray(data[start:stop])
