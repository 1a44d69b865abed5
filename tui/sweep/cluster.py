"""Where the workers come from: this machine, a scheduler of one's own, or a queue. Dask is imported here alone.

Dask's messages are pickles: whoever can connect runs code as the user who sweeps. So everything that this program
starts talks TLS, with certificates made for the occasion, on the loopback too: other users of the machine reach it.
"""

import contextlib
import ipaddress
import logging
import os
import re
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.api.errors import EngineNotStarted, Refused
from engine.api.escape import SHORT, escape

MISSING = "A sweep needs Dask, which is not installed here. In a clone of lab3-tui run: pip install -e '.[sweep]'"
LOOPBACK = "127.0.0.1"
PROCESSORS = 2  # that a run makes use of: much of it is the start of Keras, which takes one
MEMORY = 1_500_000_000  # bytes that an engine takes at the lab's own size, and some more
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
}


@dataclass(frozen=True, slots=True)
class Where:
    """What was asked for: `scheduler` an address, `queue` words for the queue, or this machine with `workers`."""

    workers: int | None = None
    scheduler: str | None = None
    queue: str | None = None  # words for sbatch
    tls: tuple[Path | None, Path | None, Path | None] = (None, None, None)


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
    if where.scheduler is not None and where.queue is not None:
        raise Refused("--scheduler and --slurm: each says where workers come from. Give one of them.")
    if where.scheduler is not None:
        own_security(where)
    if where.queue is not None:
        directives(where.queue)


@asynccontextmanager
async def workers(where: Where, folder: Path) -> AsyncIterator[Any]:
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
                make = slurm_cluster if where.queue is not None else local_cluster
                cluster = await stack.enter_async_context(make(where, folder))
                address, security = cluster, cluster.security
            try:
                client = Client(address, security=security, asynchronous=True, timeout=CONNECTING, set_as_default=False)
                yield await stack.enter_async_context(client)
            except OSError as error:  # that of the connection; what runs inside raises errors of its own
                raise EngineNotStarted(unreachable(where, error)) from error


def silence() -> None:
    """Let Dask write nothing to stderr: what its user should know is said by this program, in one line."""
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def unreachable(where: Where, error: OSError) -> str:
    shown = escape(where.scheduler or "the scheduler", SHORT)
    words = escape(" ".join(str(error).split()), 200)
    return f"{shown}: cannot be reached ({words}). Is it running, with certificates of the same authority?"


# --- this machine ---


def local_cluster(where: Where, _folder: Path) -> Any:
    """Workers on this machine, one a card, or a sensible share of the processors."""
    from distributed import LocalCluster, Security

    cards = card_numbers()
    count = where.workers or len(cards) or sensible_workers()
    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        memory_limit=None,  # the engines take the memory, in processes of their own
        host=LOOPBACK,
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=f"{LOOPBACK}:0",
        silence_logs=50,
        asynchronous=True,
    )
    for number, (name, spec) in enumerate(sorted(cluster.worker_spec.items())):
        if cards:
            pinned = {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]}
            cluster.worker_spec[name] = spec | {"options": spec["options"] | {"env": pinned}}
    return cluster


def card_numbers() -> list[str]:
    """The cards that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (given := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in given.split(",") if name and name != "-1"]
    found = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return sorted((name for name in found if name.isdecimal()), key=int)


def sensible_workers() -> int:
    """How many engines go side by side on the processors and in the memory that are free."""
    processors = len(os.sched_getaffinity(0))
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(processors if processors <= PROCESSORS else processors // PROCESSORS, pages // MEMORY))


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


# --- a queue ---

JOBS = 4  # at a time, where nobody says
JOB_MEMORY = "4GB"  # where the words for sbatch name none
JOB_PROCESSORS = 2
STANDING = {  # what dask-jobqueue writes itself, and the words that stand for it
    "--cpus-per-task": ("--cpus-per-task", "-c"),
    "--mem": ("--mem", "--mem-per-cpu", "--mem-per-gpu"),
    "-J": ("--job-name", "-J"),
    "-n 1": ("--ntasks", "-n"),
}
KEPT_VARIABLES = ("KERAS_BACKEND", "LAB3_FEATURES", "XDG_STATE_HOME")


@asynccontextmanager
async def slurm_cluster(where: Where, folder: Path) -> AsyncIterator[Any]:
    """Workers that SLURM starts, one a job; a job that its time limit ended is asked for anew while there is work."""
    if shlex.quote(str(folder)) != str(folder):
        raise Refused(
            f"{escape(str(folder))}: a job script cannot name this folder. Choose one without spaces, by --to."
        )
    with certificates(folder / "tls") as security:
        async with job_cluster(where, folder, security) as cluster:
            cluster.adapt(minimum_jobs=1, maximum_jobs=where.workers or JOBS, interval="2s", wait_count=30)
            yield cluster


def job_cluster(where: Where, folder: Path, security: Any) -> Any:
    """A cluster whose workers are jobs; nothing is submitted yet."""
    from dask_jobqueue import SLURMCluster

    words = directives(where.queue or "")
    own = {word for line in words for word in re.split(r"[=\s]", line)[:1]}
    skip = [written for written, stand_for in STANDING.items() if own & set(stand_for)]
    exports = [f"export {name}={shlex.quote(os.environ[name])}" for name in KEPT_VARIABLES if name in os.environ]
    return SLURMCluster(
        cores=JOB_PROCESSORS,
        processes=1,
        memory=JOB_MEMORY,
        job_extra_directives=words,
        job_directives_skip=[*skip, "-t "],  # the time limit is the partition's, or that of the words
        job_name="lab3-tui",
        log_directory=str(folder / "slurm"),
        job_script_prologue=[*exports, "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"],
        worker_extra_args=["--nthreads", "1", "--memory-limit", "0", "--no-dashboard"],
        python=shlex.quote(sys.executable) + " -P",
        death_timeout=DEATH_TIMEOUT,
        protocol="tls://",
        security=security,
        scheduler_options={"dashboard_address": f"{LOOPBACK}:0", "dashboard": False},
        asynchronous=True,
    )


DEATH_TIMEOUT = 120  # seconds that a job waits for a scheduler that has gone


def directives(text: str) -> list[str]:
    """Words for sbatch, an option with its value each. Raises Refused."""
    found: list[str] = []
    for word in split_words(text, "--slurm"):
        if word.startswith("-"):
            found.append(word)
        elif found and "=" not in found[-1] and " " not in found[-1]:
            found[-1] += f" {word}"
        else:
            raise Refused(
                f"--slurm: '{escape(word, SHORT)}' is no option of sbatch. Example: --slurm \"--partition=gpu\""
            )
    if any(character in word for word in found for character in "\n\r\0"):
        raise Refused("--slurm: holds a line break. Expected words for sbatch, on one line.")
    return found


@contextmanager
def certificates(folder: Path) -> Iterator[Any]:
    """Certificates of this sweep alone, in files that only its user reads; gone when it ends."""
    from distributed import Security

    made = Security.temporary()
    folder.mkdir(mode=0o700, exist_ok=True)
    names = {"ca.pem": made.tls_ca_file, "cert.pem": made.tls_client_cert, "key.pem": made.tls_client_key}
    paths = {}
    for name, text in names.items():
        paths[name] = str(folder / name)
        (folder / name).unlink(missing_ok=True)
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    ca, cert, key = paths["ca.pem"], paths["cert.pem"], paths["key.pem"]
    try:
        yield Security(
            require_encryption=True, tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key,
            tls_scheduler_cert=cert, tls_scheduler_key=key, tls_worker_cert=cert, tls_worker_key=key,
        )  # fmt: skip
    finally:
        for path in paths.values():
            with contextlib.suppress(OSError):
                os.unlink(path)


def machine() -> str:
    return socket.gethostname()


def split_words(text: str, option: str) -> list[str]:
    """Words as a shell splits them. Raises Refused."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Refused(f"{option}: '{escape(text, SHORT)}': {error}.") from None
