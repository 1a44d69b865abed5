"""G's answers as the HDF5 file `g_prune_X.h5`, made in memory: HDF5 itself never writes to disk."""

from collections.abc import Mapping

import numpy as np


def answers_file(columns: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """A group for each data set, a data set for each column (images,); the same bytes for the same columns."""
    import h5py  # slow to import, and nothing else in this package needs it

    with h5py.File("answers.h5", "w", driver="core", backing_store=False) as file:
        for name, answers in columns.items():
            group = file.create_group(name)
            for column, values in answers.items():
                group.create_dataset(column, data=values)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image
