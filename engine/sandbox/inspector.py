"""The throw-away process that parses what may be hostile: `python -P -m engine.sandbox.inspector`.

It never imports Keras. It serves requests that come with open files over a socket, each in a child of its own that
shuts itself in before it looks at the file. A child that crashes or hangs is a refusal, and nothing else.
"""

import array
import contextlib

# strings in HDF5 and names in archives need these, and in the jail nothing can be imported any more
import encodings.ascii
import encodings.cp437
import encodings.latin_1
import encodings.utf_8  # noqa: F401
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.architecture.description import PictureSpec, Report
from engine.data_files.decode_chunks import decode
from engine.data_files.images import open_images, read_labels
from engine.file_safety.limits import DECODE_SECONDS
from engine.file_safety.refusal import TOO_MUCH, FileRefused
from engine.model_files.read import filled, open_network
from engine.sandbox import jail
from engine.sandbox.describe import describe
from engine.sandbox.jail import start, wait
from engine.sandbox.messages import read_arrays_in_jail, write_arrays, write_report

FILES = 5  # that may come with a request: text, what to read, where report and arrays go, what to write into it


def inspect(request: dict[str, Any], source: int, report: int, arrays: int, *values: int) -> None:
    """Read one file and hand over what it holds."""
    jobs: dict[str, Callable[..., Report]] = {"model": _model, "data": _data, "filled": _filled, "picture": _picture}
    try:
        found = jobs[request["job"]](request, source, arrays, *values)
    except FileRefused as finding:
        found = Report(refusal=str(finding))
    except MemoryError:
        found = Report(refusal=TOO_MUCH)
    write_report(report, found)


def _model(_request: dict[str, Any], source: int, arrays: int) -> Report:
    network = open_network(source)
    spec = network.spec()
    write_arrays(arrays, network.arrays())
    return Report(model=spec)


def _data(request: dict[str, Any], source: int, arrays: int) -> Report:
    shape = request["shape"]
    data = open_images(source, tuple(shape) if shape else None)
    labels = read_labels(data.labels, request["classes"])
    write_arrays(arrays, [(labels.shape, [labels])])
    return Report(data=data.spec())


def _filled(_request: dict[str, Any], source: int, arrays: int, values: int) -> Report:
    with os.fdopen(arrays, "wb", closefd=False) as out:
        out.write(filled(source, read_arrays_in_jail(values)))
    return Report()


def _picture(request: dict[str, Any], source: int, arrays: int) -> Report:
    from engine.data_files.pictures import read_picture  # there already, see `serve`

    found = read_picture(source, tuple(request["shape"]), request["resize"])
    write_arrays(arrays, [(found.pixels.shape, [found.pixels.reshape(-1)])])
    return Report(picture=PictureSpec(found.notes))


def serve(channel: socket.socket) -> None:
    """Answer requests, one after the other, until the other end is closed."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 1, FILES)
        if not message:
            return
        text, *rest = descriptors
        request = json.loads(os.pread(text, os.fstat(text).st_size, 0))
        if request["job"] == "picture":  # Pillow is only needed for this; its child can import nothing any more
            import engine.data_files.pictures  # noqa: F401
        if request["job"] == "decode":  # goes on beside the requests that follow
            start(partial(_decode, channel, *rest), {"wall_seconds": 0, "cpu_seconds": DECODE_SECONDS})
            status = 0
        else:
            status = wait(start(partial(_answer, channel, request, rest)), channel)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(array.array("i", [status]).tobytes())


def _answer(channel: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    channel.close()
    inspect(request, *descriptors)


def _decode(channel: socket.socket, source: int, requests: int) -> None:
    channel.close()
    decode(source, requests)


def main() -> None:
    """`serve FD` or `describe PATH`; engine.api.inspection tells how it is started."""
    job, what = sys.argv[1:]
    if job == "serve":
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the engine has gone: nobody asks any more
            serve(socket.socket(fileno=int(what)))
    elif job == "describe":
        jail.die_with_parent()
        sys.stdout.buffer.write(msgspec.json.encode(describe(Path(what))))


if __name__ == "__main__":
    main()
