"""The engine outlives whatever happens to its inspector, and does not believe what it says."""

import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.api.errors import Refused
from engine.sandbox import client, model_file, pruned_file
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from tests.support.model_files import CLASSES, IMAGE, small_net, small_weights, write_data, write_h5, write_keras

pytestmark = pytest.mark.e2e  # each in a process of its own
STAND_IN = """
import ctypes, io, json, os, sys, time
from functools import partial
import engine.sandbox.inspector as inspector
from engine.sandbox import jail
from engine.architecture.description import DataSpec, Report
from engine.sandbox.messages import write_arrays, write_report
{body}
inspector.main()
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Gives a function that puts a few lines of Python into the inspector process."""

    def use(body: str) -> None:
        def command(*words: str) -> list[str]:
            return [sys.executable, "-P", "-c", STAND_IN.format(body=body), *words]

        monkeypatch.setattr(client, "inspector_command", command)

    client.sandbox.close()
    yield use
    client.sandbox.close()


CRASHED = "nothing was loaded. The file is damaged or hostile."


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("inspector.inspect = lambda *a: ctypes.string_at(0)", f"crashed the file reader (signal 11); {CRASHED}"),
        ("inspector.inspect = lambda *a: 1 / 0", f"crashed the file reader (exit 1); {CRASHED}"),
        ("inspector.inspect = lambda *a: os._exit(7)", f"crashed the file reader (exit 7); {CRASHED}"),
        ("inspector.inspect = lambda *a: None", f"confused the file reader; {CRASHED}"),
        ("inspector.serve = lambda *a: None", f"crashed the file reader (exit 1); {CRASHED}"),
        (
            "jail.enter = partial(jail.enter, wall_seconds=1)\ninspector.inspect = lambda *a: time.sleep(30)",
            "took longer than 60 s to check; stopped.",
        ),
        (
            "jail.enter = partial(jail.enter, cpu_seconds=1)\nwhile_true = 'while True: pass'\n"
            "inspector.inspect = lambda *a: exec(while_true)",
            "took longer than 20 s of processor time to check; stopped.",
        ),
        (
            "def inspect(*a): bytearray(2**32)\nwork = inspector._model\ninspector._model = lambda *a: inspect()",
            "needs more memory to check than is allowed. The file is damaged or hostile.",
        ),
    ],
)
def test_what_happens_to_the_inspector_is_a_refusal(stand_in, body: str, line: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stand_in(body)
    path = write_h5(tmp_path / "net.h5")
    with pytest.raises(Refused) as caught:
        read_model(path)
    assert str(caught.value) == f"net.h5: {line}"


def test_an_inspector_that_never_answers_is_ended(stand_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    stand_in("inspector.serve = lambda channel: time.sleep(100)")
    monkeypatch.setattr(client, "PATIENCE", 1)
    with pytest.raises(Refused, match="took longer than 60 s to check; stopped"):
        read_model(write_h5(tmp_path / "net.h5"))
    assert client.sandbox.pid is None


LIES = {
    "words": "os.write(report, b'hello')",
    "escapes": "write_report(report, Report(refusal='\\x1b[2J'))",
    "escapes in notes": "swap(lambda m: {'notes': ('[b]',)})",
    "nothing": "write_report(report, Report())",
    "a million words": "os.write(report, b'[' * 1000000)",
    "words nested deep": "os.write(report, b'{\"model\": ' + b'[' * 5000)",
    "a setting nested deep": "os.write(report, deep_layer)",
    "another model": "swap(lambda m: {'output': 'conv_1'})",
    "a layer of its own": "swap(lambda m: {'layers': m.layers + (m.layers[0],)})",
    "an unlisted layer": "second(kind='TFSMLayer')",
    "a setting out of range": "second(config={'filters': -1})",
    "weights before the beginning": "swap(lambda m: {'weights': tuple(replace(w, offset=-9) for w in m.weights)})",
    "weights of no type": "swap(lambda m: {'weights': tuple(replace(w, dtype='|O') for w in m.weights)})",
    "fewer weights": "swap(lambda m: {'weights': m.weights[1:]})",
    "other arrays": "honest(); os.lseek(arrays, 0, 0); write_arrays(arrays, [((3,), [np.zeros(3, 'f4')])] * 4)",
    "arrays without an end": "honest(); header((-1, 40))",
    "arrays of a size beyond all": "honest(); header((999999999999999999999999999999,))",
    "arrays of overflowing size": "honest(); header((2**40, 2**40))",
    "arrays of a nested shape": "honest(); os.pwrite(arrays, b'(' * 90, 60)",
    "empty arrays without an end": "honest(); os.ftruncate(arrays, 0); os.lseek(arrays, 0, 0); "
    "write_arrays(arrays, [((0,), [np.zeros(0, 'f4')])] * 100000)",
    "arrays that are pickles": "honest(); os.pwrite(arrays, b'\\x80\\x04', 0)",
    "arrays that end early": "honest(); os.ftruncate(arrays, os.fstat(arrays).st_size - 64)",
    "arrays that are not finite": "honest(); os.pwrite(arrays, b'\\x00\\x00\\xc0\\x7f', 128)",
}
LIAR = """
import numpy as np
from msgspec.structs import replace
import msgspec
truth = inspector.inspect
def inspect(request, source, report, arrays):
    def honest(): truth(request, source, report, arrays)
    def swap(change):
        honest()
        held = msgspec.json.decode(os.pread(report, 2**20, 0), type=Report)
        os.ftruncate(report, 0); os.lseek(report, 0, 0)
        write_report(report, replace(held, model=replace(held.model, **change(held.model))))
    deep_layer = b'{{"model": {{"format": "h5", "writer": "", "output": "x", "weights": [], "layers": [' \
        b'{{"name": "x", "kind": "Conv2D", "inputs": [], "config": {{"a": ' + b'[' * 5000
    def header(shape):
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, {{"descr": "<f4", "fortran_order": False, "shape": shape}})
        os.pwrite(arrays, out.getvalue(), 0)
    def second(**change):
        swap(lambda m: {{'layers': (m.layers[0], replace(m.layers[1], **change), *m.layers[2:])}})
    {lie}
inspector.inspect = inspect
"""


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_inspector_is_not_believed(stand_in, lie: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stand_in(LIAR.format(lie=LIES[lie]))
    with pytest.raises(Refused) as caught:
        read_model(write_h5(tmp_path / "net.h5"))
    assert str(caught.value).startswith("net.h5: ") and "\x1b" not in str(caught.value)


DATA_LIES = {
    "beyond the end": "DataSpec((20, 3, 8, 6), '<f4', 10**9, 0, 1)",
    "before the beginning": "DataSpec((20, 3, 8, 6), '<f4', -8, 0, 1)",
    "objects": "DataSpec((20, 3, 8, 6), '|O', 0, 0, 1)",
    "no type": "DataSpec((20, 3, 8, 6), 'nonsense', 0, 0, 1)",
    "another shape": "DataSpec((20, 3, 6, 8), '<f4', 0, 0, 1)",
    "more images": "DataSpec((21, 3, 8, 6), '<f4', 0, 0, 1)",
}


@pytest.mark.parametrize("lie", DATA_LIES)
def test_nor_about_data(stand_in, lie: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stand_in(f"""
import numpy as np
def inspect(request, source, report, arrays):
    write_arrays(arrays, [((20,), [np.zeros(20, np.int64)])])
    write_report(report, Report(data={DATA_LIES[lie]}))
inspector.inspect = inspect
""")
    with pytest.raises(Refused) as caught:
        open_dataset(write_data(tmp_path / "data.h5"), IMAGE, CLASSES)
    assert str(caught.value) == f"data.h5: confused the file reader; {CRASHED}"


def test_a_killed_inspector_is_started_again(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    read_model(path)
    before = client.sandbox.pid
    assert before is not None
    subprocess.run(["kill", "-KILL", str(before)], check=True)
    client.sandbox._process.wait()  # type: ignore[union-attr]
    assert len(read_model(path).arrays) == 2
    assert client.sandbox.pid != before


def test_many_threads_share_one_inspector(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    client.sandbox.close()
    found: list[model_file.ModelFile] = []
    threads = [threading.Thread(target=lambda: found.append(read_model(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kernel = small_weights()["conv_1"][0][1]
    assert [np.array_equal(held.arrays["conv_1"][0], kernel) for held in found] == [True] * 6


def test_a_request_of_any_length(tmp_path: Path) -> None:
    name = "n" * 69_000
    net = small_net()
    for item in net["config"]["layers"]:
        if item["name"] == "conv_1":
            item["name"] = item["config"]["name"] = name
    net["config"]["layers"][2]["inbound_nodes"] = [[[name, 0, 0, {}]]]
    path = write_keras(tmp_path / "net.keras", net, compression=zipfile.ZIP_DEFLATED)
    held = read_model(path)
    path.write_bytes(pruned_file.pruned_bytes(held, name, [1, 2]))
    assert not read_model(path).arrays[name][1][[1, 2]].any()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_at_work_ends_with_the_engine(number: signal.Signals, tmp_path: Path) -> None:
    """The engine ends while a child of its inspector is busy."""
    body = "inspector.inspect = lambda *a: time.sleep(100)"
    code = f"""
import sys
from pathlib import Path
from engine.sandbox import client as warden
from engine.sandbox.model_file import read_model
stand_in = {STAND_IN.format(body=body)!r}
warden.inspector_command = lambda *words: [sys.executable, "-P", "-c", stand_in, *words]
warden.sandbox.start()
print(warden.sandbox.pid, flush=True)
read_model(Path({str(write_h5(tmp_path / "net.h5"))!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, text=True) as engine:
        inspector = int(engine.stdout.readline())  # type: ignore[union-attr]
        while not (busy := children_of(inspector)):
            time.sleep(0.01)
        engine.send_signal(number)
    for pid in (inspector, *busy):
        assert subprocess.run(["timeout", "20", "tail", f"--pid={pid}", "-f", "/dev/null"]).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_decodes_images_ends_with_its_inspector(tmp_path: Path) -> None:
    held = open_dataset(write_data(tmp_path / "data.h5", chunks=True), IMAGE, CLASSES)
    next(held.batches(4))
    inspector = client.sandbox._process
    assert inspector is not None
    (decoder,) = children_of(inspector.pid)
    inspector.kill()
    inspector.wait()
    assert subprocess.run(["timeout", "20", "tail", f"--pid={decoder}", "-f", "/dev/null"]).returncode == 0
    held.close()
    client.sandbox.close()


def test_it_leaves_when_the_engine_does(tmp_path: Path) -> None:
    code = "from engine.sandbox.client import sandbox; sandbox.start(); print(sandbox.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as engine:
        pid = int(engine.stdout.readline())  # type: ignore[union-attr]
        engine.send_signal(signal.SIGKILL)
    gone = subprocess.run(["timeout", "20", "tail", f"--pid={pid}", "-f", "/dev/null"])
    assert gone.returncode == 0
