"""Who listens, and to whom: TLS between two hosts, strangers refused, and nothing open beyond the loopback."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.faults import sweeps
from tests.faults.engines import Nursery
from tests.support.namespaces import HOSTS, two_hosts
from tests.support.sweep_lab import make_sweep_lab
from tui.model.sweep_state import CellBegan, decode_sweep

pytestmark = [pytest.mark.e2e, pytest.mark.keras]
PLAN = ("--models", "nets/*.h5", "--orders", "mean,clp", "--save-at", "10")
PORT = 8786
ALERT = b"\x15\x03"  # how TLS says no
PATIENCE = 60


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep_lab(tmp_path_factory.mktemp("sweeps") / "lab")


def certificates(folder: Path) -> list[str]:
    """Options of Dask's programs that name a certificate of an authority of its own."""
    from distributed import Security

    made = Security.temporary()
    folder.mkdir()
    for name, text in (("ca", made.tls_ca_file), ("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        (folder / f"{name}.pem").write_text(text)
    return ["--tls-ca-file", str(folder / "ca.pem"), "--tls-cert", str(folder / "cert.pem"), "--tls-key",
            str(folder / "key.pem")]  # fmt: skip


class Programs:
    """Processes of Dask, ended with the test."""

    def __init__(self, stack: ExitStack, log: Path) -> None:
        self.stack, self.log = stack, log

    def start(self, before: list[str], program: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [*before, sys.executable, "-P", "-m", f"distributed.cli.{program}", *options]
        log = self.stack.enter_context(self.log.open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.stack.callback(self.end, process)
        return process

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def test_two_hosts_and_a_stranger(nursery: Nursery, lab: Path, tmp_path: Path) -> None:
    ours, theirs = certificates(tmp_path / "ours"), certificates(tmp_path / "theirs")
    address = f"tls://{HOSTS[0]}:{PORT}"
    with two_hosts() as (one, other), ExitStack() as stack:
        dask = Programs(stack, tmp_path / "dask.log")
        dask.start(
            one, "dask_scheduler", "--host", HOSTS[0], "--port", str(PORT), "--protocol", "tls", "--no-dashboard", *ours
        )
        for host, before in zip(HOSTS, (one, other), strict=True):
            dask.start(before, "dask_worker", address, "--host", host, "--nthreads", "1", "--no-dashboard", *ours)
        stranger = dask.start(
            other, "dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "8", *theirs
        )
        to, log = tmp_path / "to", tmp_path / "stderr"
        refused = swept(one, nursery, lab, tmp_path / "not", log, address, tmp_path / "theirs")
        assert refused.wait(PATIENCE) == 3
        assert "cannot be reached" in log.read_text()
        assert swept(one, nursery, lab, to, log, address, tmp_path / "ours").wait(5 * PATIENCE) == 0, log.read_text()
        assert stranger.wait(PATIENCE) != 0
    assert "Traceback" not in log.read_text()
    workers = {event.worker for event in record(to) if isinstance(event, CellBegan)}
    assert all(any(host in worker for worker in workers) for host in HOSTS), workers
    assert len(workers) == 2  # the stranger has computed nothing


def test_a_scheduler_of_ones_own_may_die(nursery: Nursery, lab: Path, tmp_path: Path) -> None:
    to, log, here = tmp_path / "to", tmp_path / "stderr", "127.0.0.1"
    plan = ("--models", "nets/net_0.h5", "--orders", "mean,clp", "--to", str(to))
    with ExitStack() as stack:
        dask = Programs(stack, tmp_path / "dask.log")
        port = free_port()
        address = f"tcp://{here}:{port}"
        options = ("--host", here, "--port", str(port), "--no-dashboard")
        scheduler = dask.start([], "dask_scheduler", *options)
        dask.start([], "dask_worker", address, "--host", here, "--nthreads", "1", "--no-dashboard")
        process = sweeps.start(lab, nursery.command(), log, *plan, "--scheduler", address)
        assert sweeps.until(process, to, 1), log.read_text()
        scheduler.kill()
        assert process.wait(PATIENCE) == 4
    assert "Dask's scheduler has gone." in log.read_text()
    assert "Go on with: lab3-tui sweep --resume" in log.read_text()
    known = sweeps.watched(to).count("done")
    assert known == 1
    assert sweeps.start(lab, nursery.command(), log, "--resume", "--to", str(to), "--workers", "1").wait(PATIENCE) == 0
    assert sweeps.losses(to, (to / "sweep.csv").read_bytes(), 2) == []
    assert "Traceback" not in log.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
    return found


def swept(
    before: list[str], nursery: Nursery, lab: Path, to: Path, log: Path, address: str, pem: Path
) -> "subprocess.Popen[bytes]":
    command = [
        *before,
        sys.executable,
        "-m",
        "tests.faults.sweep_program",
        *nursery.command(),
        "--",
        "sweep",
        "--headless",
    ]
    tls = ["--tls-ca", str(pem / "ca.pem"), "--tls-cert", str(pem / "cert.pem"), "--tls-key", str(pem / "key.pem")]
    where = ["--root", str(lab), "--to", str(to), "--scheduler", address]
    with log.open("ab") as stderr:
        return subprocess.Popen([*command, *where, *tls, *PLAN], stdout=subprocess.DEVNULL, stderr=stderr)


def record(to: Path) -> list[object]:
    return [decode_sweep(line) for line in (to / "sweep.jsonl").read_bytes().splitlines()]


def listening(process: "subprocess.Popen[bytes]") -> set[tuple[str, int]]:
    """The sockets on which a sweep, its workers and their engines listen."""
    found = set()
    for each in [psutil.Process(process.pid), *sweeps.below(process)]:
        with suppress(psutil.Error):
            found |= {(at.laddr.ip, at.laddr.port) for at in each.net_connections("inet") if at.status == "LISTEN"}
    return found


def test_only_the_loopback_is_listened_on_and_there_only_to_our_certificate(
    nursery: Nursery, lab: Path, tmp_path: Path
) -> None:
    to, log = tmp_path / "to", tmp_path / "stderr"
    process = sweeps.start(lab, nursery.command(), log, *PLAN, "--to", str(to), "--workers", "1")
    assert sweeps.until(process, to, 0), log.read_text()
    found = listening(process)
    answers = {port: answer(port) for _, port in found}
    below = sweeps.below(process)
    process.send_signal(2)
    assert process.wait(PATIENCE) == 130
    assert "Go on with: lab3-tui sweep --resume" in log.read_text() and "Traceback" not in log.read_text()
    assert psutil.wait_procs(below, PATIENCE)[1] == []  # nobody is left behind
    assert len(found) >= 3
    assert {ip for ip, _ in found} == {"127.0.0.1"}
    assert set(answers.values()) <= {"nothing", "HTTP 404"}, answers


def test_the_look_at_ports_sees_who_speaks_without_tls() -> None:
    def speak(server: socket.socket) -> None:
        with server.accept()[0] as peer:
            peer.sendall(b"dask")
            peer.recv(2**10)

    with socket.create_server(("127.0.0.1", 0)) as server:
        speaking = threading.Thread(target=speak, args=(server,))
        speaking.start()
        assert answer(server.getsockname()[1]) == "plain b'dask'"
        speaking.join(PATIENCE)


def answer(port: int) -> str:
    """What a stranger gets from a port: an answer to a request of HTTP, or a handshake of TLS without a certificate."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as plain:
        plain.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
        said = plain.recv(2**10)
        if said.startswith(b"HTTP/"):
            return f"HTTP {said.split()[1].decode()}"
        if said and not said.startswith(ALERT):
            return f"plain {said!r}"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        encrypted.settimeout(5)
        encrypted.sendall(b"\0" * 64)
        if said := encrypted.recv(2**10):
            return f"TLS {said!r}"
    return "nothing"
