"""The throw-away process that parses what may be hostile: `python -P -m engine.files.inspector`.

It never imports Keras. It serves requests that come with open files over a socket, each in a child of its own that
shuts itself in before it looks at the file. A child that crashes or hangs is a refusal, and nothing else.
"""

import array

# strings in HDF5 and names in archives need these, and in the jail nothing can be imported any more
import encodings.ascii
import encodings.cp437
import encodings.latin_1
import encodings.utf_8  # noqa: F401
import json
import os
import socket
import sys
from typing import Any

from engine.files import jail
from engine.files.description import Report
from engine.files.finding import Finding
from engine.files.handover import write_arrays, write_report
from engine.files.images import open_images, read_labels
from engine.files.networks import open_network, zeroed

FILES = 3  # that come with a request: what to read, where the report goes, where the arrays go


def inspect(request: dict[str, Any], source: int, report: int, arrays: int) -> None:
    """Read one file and hand over what it holds."""
    jobs = {"model": _model, "data": _data, "zeroed": _zeroed}
    try:
        found = jobs[request["job"]](request, source, arrays)
    except Finding as finding:
        found = Report(refusal=str(finding))
    except MemoryError:
        found = Report(refusal="needs more memory to check than is allowed. The file is damaged or hostile.")
    write_report(report, found)


def _model(request: dict[str, Any], source: int, arrays: int) -> Report:
    network = open_network(source)
    spec = network.spec()
    write_arrays(arrays, network.arrays())
    return Report(model=spec)


def _data(request: dict[str, Any], source: int, arrays: int) -> Report:
    shape = request["shape"]
    data = open_images(source, tuple(shape) if shape else None)
    write_arrays(arrays, [read_labels(data.labels, request["classes"])])
    return Report(data=data.spec())


def _zeroed(request: dict[str, Any], source: int, arrays: int) -> Report:
    with os.fdopen(arrays, "wb", closefd=False) as out:
        out.write(zeroed(source, request["layer"], request["channels"]))
    return Report()


def serve(channel: socket.socket) -> None:
    """Answer requests, one after the other, until the other end is closed."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 2**16, FILES)
        if not message:
            return
        status = _in_child(json.loads(message), channel, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(array.array("i", [status]).tobytes())


def _in_child(request: dict[str, Any], channel: socket.socket, descriptors: list[int]) -> int:
    """The exit status of a child that does one request: 0, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            channel.close()
            jail.enter()
            inspect(request, *descriptors)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
