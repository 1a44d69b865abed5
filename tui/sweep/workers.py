"""Where the workers come from: this machine, a scheduler of one's own, or a queue.

Dask's messages are pickles: whoever can connect runs code as the user who sweeps. So everything that this program
starts talks TLS, with certificates made for the occasion, on the loopback too: other users of the machine reach it.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.api.errors import EngineNotStarted, Refused
from engine.api.escape import SHORT, escape
from tui.sweep.queues import QUEUES, directives, queue_cluster

MISSING = "A sweep needs Dask, which is not installed here. In a clone of lab3-tui run: pip install -e '.[sweep]'"
LOOPBACK = "127.0.0.1"
PROCESSORS = 2  # that a run makes use of: much of it is the start of Keras, which takes one
MEMORY = 1_500_000_000  # bytes that an engine takes at the lab's own size, and some more
DEVICES = Path("/dev")
REPLACING = 5.0  # seconds between two looks whether a worker of this machine has gone for good
CONNECTING = "30s"  # until a scheduler that does not answer is given up
# of one's own certificates, as `dask scheduler` names them
TLS_OPTIONS = ("--tls-ca", "--tls-cert", "--tls-key")
SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,  # a cell under which three workers died is not tried again
    "distributed.scheduler.worker-saturation": 1.0,  # no cell waits at a worker that may die of another
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.nanny.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.deploy.lost-worker-timeout": "30s",  # until one that does not come back is given up, and replaced
    # beside an engine at work: every 20 ms, as Dask has it, they took 5 % of a processor
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}


@dataclass(frozen=True, slots=True)
class Where:
    """What was asked for: `scheduler` an address, `queue` one of `QUEUES` and `words` for it, or this machine.

    `device`: what each engine computes on, as --device says it.
    """

    workers: int | None = None
    scheduler: str | None = None
    queue: str | None = None
    words: str = ""
    tls: tuple[Path | None, Path | None, Path | None] = (None, None, None)
    device: str | None = None

    def options(self) -> list[str]:
        """The options of a command line that say where workers come from."""
        said: dict[str, object] = {"--workers": self.workers, "--scheduler": self.scheduler}
        said |= {f"--{self.queue}": self.words} if self.queue is not None else {}
        said |= dict(zip(TLS_OPTIONS, self.tls, strict=True))
        return [word for option, value in said.items() if value is not None for word in (option, str(value))]


def where_from(
    workers: int | None,
    scheduler: str | None,
    queues: dict[str, str | None],
    tls: tuple[Path | None, Path | None, Path | None],
    device: str | None = None,
) -> Where:
    """Where workers come from, by the options of a command line; `queues` has the words for each. Raises Refused."""
    named = [name for name, words in queues.items() if words is not None]
    said = ([] if scheduler is None else ["scheduler"]) + named
    if len(said) > 1:
        raise Refused(f"--{said[0]} and --{said[1]}: each says where workers come from. Give one of them.")
    queue = named[0] if named else None
    return Where(workers, scheduler, queue, (queues[queue] or "") if queue else "", tls, device)


def refuse_without_dask() -> None:
    """Raises Refused where the packages of a sweep are not installed."""
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError as error:
        raise Refused(MISSING) from error


def refuse_where(where: Where) -> None:
    """Raises Refused, before anything is planned, where there can be no such workers."""
    refuse_without_dask()
    if where.scheduler is not None:
        own_security(where)
    if where.queue is not None:
        directives(where.queue, where.words)
        program = QUEUES[where.queue].program
        if shutil.which(program) is None:
            raise Refused(f"--{where.queue}: there is no {program} on this machine. Run it where you submit jobs.")


@asynccontextmanager
async def dask_client(where: Where, folder: Path) -> AsyncIterator[Any]:
    """A connected client of Dask, asynchronous. `folder`: the sweep's, which a queue's jobs read certificates from.

    Raises Refused and EngineNotStarted.
    """
    refuse_without_dask()
    import dask
    from distributed import Client

    silence()
    with dask.config.set(SETTINGS):
        async with contextlib.AsyncExitStack() as stack:
            if where.scheduler is not None:
                address, security = where.scheduler, own_security(where)
            else:
                if where.queue is not None:
                    making = queue_cluster(where.queue, where.words, where.workers, folder)
                else:
                    making = local_cluster(where)
                cluster = await stack.enter_async_context(making)
                if where.queue is None:
                    replacing = asyncio.create_task(replace_workers(cluster, len(cluster.worker_spec)))
                    stack.callback(replacing.cancel)
                address, security = cluster, cluster.security
            try:
                client = Client(address, security=security, asynchronous=True, timeout=CONNECTING, set_as_default=False)
                yield await stack.enter_async_context(client)
            except OSError as error:  # that of the connection; what runs inside raises errors of its own
                raise EngineNotStarted(unreachable(where, error)) from error


async def replace_workers(cluster: Any, count: int) -> None:
    """Have another worker in the place of one that has gone for good.

    Dask starts one again that was killed. One that is killed while it starts, or takes too long to, it gives up.
    """
    while True:
        await asyncio.sleep(REPLACING)
        cluster.scale(count)


def silence() -> None:
    """Let Dask write nothing to stderr: what its user should know is said by this program, in one line."""
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def unreachable(where: Where, error: OSError) -> str:
    shown = escape(where.scheduler or "the scheduler", SHORT)
    words = escape(" ".join(str(error).split()), 200)
    return f"{shown}: cannot be reached ({words}). Is it running, with certificates of the same authority?"


# --- this machine ---


def local_cluster(where: Where) -> Any:
    """Workers on this machine, each with its card."""
    from distributed import LocalCluster, Security

    cards = cards_of_workers(where)
    cluster = LocalCluster(
        n_workers=len(cards),
        threads_per_worker=1,
        memory_limit=None,  # the engines take the memory, in processes of their own
        host=LOOPBACK,
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=f"{LOOPBACK}:0",
        silence_logs=50,
        asynchronous=True,
    )
    for card, (name, spec) in zip(cards, sorted(cluster.worker_spec.items()), strict=True):
        if card is not None:
            pinned = {"CUDA_VISIBLE_DEVICES": card}
            cluster.worker_spec[name] = spec | {"options": spec["options"] | {"env": pinned}}
    return cluster


def cards_of_workers(where: Where) -> list[str | None]:
    """By worker the one card that it sees; None where it sees all of them.

    Without further words there is a worker a card, and on the processors a sensible share. A card that was named
    (gpu:1) is one among all, and has one worker.
    """
    cards = card_numbers() if where.device in (None, "gpu") else []
    named = where.device is not None and where.device.startswith("gpu:")
    count = where.workers or (1 if named else len(cards) or sensible_workers())
    return [cards[number % len(cards)] if cards else None for number in range(count)]


def card_numbers() -> list[str]:
    """The cards that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (given := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in given.split(",") if name and name != "-1"]
    found = (path.name.removeprefix("nvidia") for path in DEVICES.glob("nvidia[0-9]*"))
    return sorted((name for name in found if name.isdecimal()), key=int)


def sensible_workers() -> int:
    """How many engines go side by side on the processors and in the memory that are free."""
    import psutil  # comes with Dask

    processors = len(os.sched_getaffinity(0))
    free: int = psutil.virtual_memory().available  # with what the system keeps of files, and gives up when asked
    return max(1, min(processors if processors <= PROCESSORS else processors // PROCESSORS, free // MEMORY))


# --- a scheduler of one's own ---


def own_security(where: Where) -> Any:
    """What a connection to a scheduler needs. Raises Refused for one that is neither TLS nor on this machine."""
    from distributed import Security

    address = where.scheduler or ""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("tcp", "tls") or not host or port is None:
        raise Refused(f"--scheduler: '{escape(address, SHORT)}' is no address. Example: --scheduler tls://HOST:8786")
    if parts.scheme == "tcp":
        if not on_this_machine(host):
            raise Refused(
                f"--scheduler: '{escape(address, SHORT)}' is not encrypted, and Dask's messages are pickles: whoever "
                "reads along can run code. Start it with --protocol tls and certificates, and name tls://…"
            )
        return Security()
    files = {}
    for option, path in zip(TLS_OPTIONS, where.tls, strict=True):
        if path is not None and not os.path.isfile(path):
            raise Refused(f"{option}: {escape(path.name, SHORT)}: no such file. Expected one in PEM.")
        files[option] = str(path) if path is not None else None
    given = {
        "tls_ca_file": files["--tls-ca"],
        "tls_client_cert": files["--tls-cert"],
        "tls_client_key": files["--tls-key"],
    }
    security = Security(require_encryption=True, **{name: path for name, path in given.items() if path is not None})
    if security.tls_ca_file is None or security.tls_client_cert is None:
        raise Refused(
            "--scheduler: tls:// needs certificates. Name them: --tls-ca CA.pem --tls-cert CERT.pem --tls-key KEY.pem"
        )
    return security


def on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def machine() -> str:
    return socket.gethostname()
