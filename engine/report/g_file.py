"""The file g_prune_X.h5: what B, B' and G answer to every test image."""

from collections.abc import Mapping

import numpy as np

from engine.api.orders import ORACLE

GROUPS = {"test": "clean", "poisoned": "poisoned"}  # what the sets are called in the file


def answers_file(columns: Mapping[str, Mapping[str, np.ndarray]], oracle: str = "") -> bytes:
    """An HDF5 file, made in memory: a group a set, in it `label`, `B`, `B_prime` and `G`, (images,) int32 each.

    The same answers always give the same bytes. `oracle`: the name of the order, where it looked at poisoned images;
    the file says so.
    """
    import h5py  # slow to import, and only this file needs it

    with h5py.File("answers", "w", driver="core", backing_store=False) as file:
        if oracle:
            file.attrs["oracle"] = f"order by {oracle}: {ORACLE}"
        for name, answers in columns.items():
            group = file.create_group(GROUPS.get(name, name))
            for column, values in answers.items():
                group.create_dataset(column, data=np.asarray(values, "<i4"), track_times=False)
        file.flush()
        return bytes(file.id.get_file_image())
