"""Damage good files in many ways and open them: `python -m tests.faults.mutations --count 10000`.

Whatever a file holds, it is refused in one line or opened; the inspector may die of it, the caller never. What is
opened holds finite numbers only.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from engine.api.errors import Refused
from engine.sandbox import client
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes
from tests.support.model_files import (
    CLASSES,
    IMAGE,
    layer,
    model_config,
    small_net,
    small_weights,
    write_data,
    write_h5,
    write_keras,
    write_weights,
)

Bytes = bytearray
Outcome = tuple[str, str]  # which good file, and how opening its damaged copy ended
ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)

# HDF5 runs for ever on some damaged files: here it gets two seconds of processor time for each
IMPATIENT = """
from functools import partial
from engine.sandbox import inspector, jail
jail.enter = partial(jail.enter, cpu_seconds=2)
inspector.main()
"""


def flip(data: Bytes, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[place(data, rng)] ^= 1 << rng.randrange(8)


def scribble(data: Bytes, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 32))):
        data[place(data, rng)] = rng.randrange(256)


def odd_number(data: Bytes, rng: random.Random) -> None:
    """A size or an address that nobody would write."""
    width, at = rng.choice((1, 2, 4, 8)), place(data, rng)
    number = (rng.choice(ODD) + rng.choice((0, 0, -1, 1))) % 2 ** (8 * width)
    data[at : at + width] = number.to_bytes(width, "little")


def pointed_elsewhere(data: Bytes, rng: random.Random) -> None:
    """Eight bytes that may be an address, now another place in the file."""
    at = place(data, rng) & ~7
    data[at : at + 8] = rng.randrange(len(data)).to_bytes(8, "little")


def copied(data: Bytes, rng: random.Random) -> None:
    size, source, target = rng.choice((4, 8, 64, 512)), place(data, rng), place(data, rng)
    data[target : target + size] = data[source : source + size]


def erased(data: Bytes, rng: random.Random) -> None:
    size, at = rng.choice((4, 16, 256, 2048)), place(data, rng)
    data[at : at + size] = bytes(len(data[at : at + size]))


def cut(data: Bytes, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def removed(data: Bytes, rng: random.Random) -> None:
    at = place(data, rng)
    del data[at : at + rng.choice((1, 8, 100))]


def inserted(data: Bytes, rng: random.Random) -> None:
    at = place(data, rng)
    data[at:at] = rng.randbytes(rng.choice((1, 8, 100)))


MUTATIONS: tuple[Callable[[Bytes, random.Random], None], ...] = (
    flip, flip, scribble, odd_number, odd_number, pointed_elsewhere, copied, erased, cut, removed, inserted,
)  # fmt: skip


def place(data: Bytes, rng: random.Random) -> int:
    """Anywhere, but more often near the beginning, where headers are."""
    return rng.randrange(min(len(data), rng.choice((96, 2048, len(data), len(data)))) or 1)


def mutated(good: bytes, rng: random.Random) -> bytes:
    data = bytearray(good)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if data:
            rng.choice(MUTATIONS)(data, rng)
    return bytes(data)


def compressed_h5(path: Path) -> Path:
    def edit(file: h5py.File) -> None:
        del file["model_weights"]
        how = {"chunks": True, "compression": "gzip", "shuffle": True, "fletcher32": True}
        write_weights(file.create_group("model_weights"), small_weights(), **how)

    return write_h5(path, edit=edit)


def nested_h5(path: Path) -> Path:
    """A model inside a model, with normalisation, written in the newest format of HDF5."""
    outer = small_net()
    inner = [
        layer("InputLayer", "start", [], batch_input_shape=[None, *IMAGE]),
        layer("Conv2D", "conv", ["start"], filters=4, kernel_size=3),
        layer("BatchNormalization", "norm", ["conv"]),
    ]
    model = model_config(*inner, inputs=("start",))
    model["config"]["name"] = "conv_1"
    nodes = outer["config"]["layers"][1]["inbound_nodes"]
    outer["config"]["layers"][1] = {**model, "name": "conv_1", "inbound_nodes": nodes}
    weights = small_weights()
    weights["conv_1"] += [
        (word, np.ones(4, np.float32)) for word in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(outer), "3.15.1"
        write_weights(file.create_group("model_weights"), weights)
    return path


def chunked_data(path: Path) -> Path:
    images = np.random.default_rng(2).integers(0, 256, (40, 3, 8, 6)).astype(np.uint8)
    return write_data(path, images, np.arange(40) % 5, chunks=(10, 3, 8, 6), compression="gzip", shuffle=True)


def open_model(path: Path) -> None:
    held = read_model(path)
    if not all(np.isfinite(array).all() for arrays in held.arrays.values() for array in arrays):
        raise AssertionError("weights that are not finite were let in")
    layer_name = next(item.name for item in held.spec.layers if item.kind == "Conv2D")
    pruned_bytes(held, layer_name, [0])


def open_data(path: Path) -> None:
    held = open_dataset(path, IMAGE, CLASSES)
    try:
        if held.labels.min() < 0 or held.labels.max() >= CLASSES or len(held.labels) != held.images:
            raise AssertionError("labels out of range were let in")
        if not all(np.isfinite(batch).all() for batch in held.batches(16)):
            raise AssertionError("pixels that are not finite were let in")
    finally:
        held.close()


GOOD = {
    "model.h5": (write_h5, open_model),
    "compressed.h5": (compressed_h5, open_model),
    "nested.h5": (nested_h5, open_model),
    "model.keras": (write_keras, open_model),
    "data.h5": (write_data, open_data),
    "chunks.h5": (chunked_data, open_data),
}


def outcome(path: Path, use: Callable[[Path], None]) -> str:
    """How opening a file ended: "accepted", "refused", or how the inspector died."""
    try:
        use(path)
    except Refused as refusal:
        line = str(refusal)
        if not line.isprintable() or not line.startswith(path.name + ": "):
            raise AssertionError(f"a refusal that is not one line: {line!r}") from refusal
        for words in ("signal", "exit", "took longer", "confused"):
            if f"file reader ({words}" in line or line.partition(": ")[2].startswith(words):
                return "inspector: " + line.partition(": ")[2].partition(";")[0]
        return "refused"
    return "accepted"


def run(numbers: range, seed: int, folder: Path) -> Counter[Outcome]:
    """Open the damaged files of these numbers, each with a luck of its own; gives how often what happened."""
    client.inspector_command = lambda *words: [sys.executable, "-P", "-c", IMPATIENT, *words]
    good = {name: make(folder / name).read_bytes() for name, (make, _) in GOOD.items()}
    for name, (_, use) in GOOD.items():
        if outcome(folder / name, use) != "accepted":
            raise AssertionError(f"the good {name} is not accepted")
    found: Counter[Outcome] = Counter()
    for number in numbers:
        rng = random.Random(seed * 1_000_003 + number)
        name = list(GOOD)[number % len(GOOD)]
        path = folder / name
        path.write_bytes(mutated(good[name], rng))
        found[name, outcome(path, GOOD[name][1])] += 1
    client.sandbox.close()
    return found


def share(numbers: range, seed: int) -> Counter[Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        return run(numbers, seed, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    begin, found = time.perf_counter(), Counter[Outcome]()
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        shares = [range(start, min(start + 500, options.count)) for start in range(0, options.count, 500)]
        for done, counted in enumerate(pool.map(partial(share, seed=options.seed), shares), 1):
            found += counted
            print(f"{min(done * 500, options.count):,} files", file=sys.stderr)
    for (name, what), times in sorted(found.items()):
        print(f"{name:15} {what:60} {times:6,}")
    print(f"{options.count:,} mutations, 0 crashes, hangs or tracebacks, {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
