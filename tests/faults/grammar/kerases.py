"""The real Keras, in a process of its own that serves many files and is started again when it dies or hangs."""

import json
import os
import resource
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

SCRIPT = Path(__file__).with_name("keras_process.py")
SECONDS = 240.0  # for one request, on a busy machine
STARTING = 600.0  # for the import of TensorFlow
MEMORY = 12 * 2**30  # of address space: TensorFlow itself maps much
DIED = "the process died"
HUNG = f"took more than {SECONDS:.0f} s"


class Keras:
    """One Keras. `python`: the interpreter that has it; `log`: where its messages go."""

    def __init__(self, python: str, log: Path) -> None:
        self._python, self._log = python, log
        self._process: subprocess.Popen[bytes] | None = None
        self.version = ""
        self.deaths = 0

    def __enter__(self) -> "Keras":
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def send(self, **request: Any) -> None:
        """Begin a request; `receive` gives its reply."""
        if self._process is None:
            self._start()
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # told by `receive`

    def receive(self, seconds: float = SECONDS) -> dict[str, Any]:
        """The reply: with `refused` where Keras raised, with `lost` where it died or took too long."""
        assert self._process and self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else b""
        if line.endswith(b"\n"):
            reply: dict[str, Any] = json.loads(line)
            return reply
        self._end()
        self.deaths += 1
        return {"lost": DIED if ready else HUNG}

    def ask(self, **request: Any) -> dict[str, Any]:
        self.send(**request)
        return self.receive()

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "-1"}
        environment.pop("TF2_BEHAVIOR", None)  # set by TensorFlow 2 in this process, and obeyed by TensorFlow 1
        environment |= {"OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [self._python, str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self._log.parent,
                preexec_fn=_limit,
            )
        reply = self.receive(STARTING)
        if "keras" not in reply:
            raise RuntimeError(f"{self._python} does not start Keras; {self._log} may say why")
        self.version = reply["keras"]

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process = None


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
