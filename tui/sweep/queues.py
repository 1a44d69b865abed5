"""Workers that a queue starts, one a job: SLURM, PBS and LSF, by dask-jobqueue."""

import contextlib
import os
import re
import shlex
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape

JOBS = 4  # at a time, where nobody says
JOB_MEMORY = "4GB"  # where the words for the queue name none
JOB_PROCESSORS = 2
DEATH_TIMEOUT = 120  # seconds that a job waits for a scheduler that has gone
# what `tui.sweep.workers` sets for workers that it starts itself
WORKER_SETTINGS = (
    "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'",
    "export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False",
    "export DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=1s",
    "export DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL=10s",
)
KEPT_VARIABLES = ("KERAS_BACKEND", "LAB3_FEATURES", "XDG_STATE_HOME")


@dataclass(frozen=True, slots=True)
class Queue:
    """A kind of queue. `program` takes job scripts; `cluster` is the class of dask-jobqueue that writes them.

    `standing`: the start of a directive that dask-jobqueue writes itself, and a pattern of words that stand for it.
    `never`: such a directive that is left out always: the time limit is the queue's, or that of the words.
    """

    program: str
    cluster: str
    example: str
    standing: dict[str, str]
    never: str

    def skipped(self, words: list[str]) -> list[str]:
        """What dask-jobqueue leaves out of a script, since these words say it."""
        said = [written for written, pattern in self.standing.items() if any(re.match(pattern, each) for each in words)]
        return [*said, self.never]


QUEUES = {
    "slurm": Queue(
        "sbatch",
        "SLURMCluster",
        "--partition=gpu --gres=gpu:1",
        {
            "--cpus-per-task": r"-c|--cpus-per-task\b",
            "--mem": r"--mem(-per-[cg]pu)?[=\s]",
            "-J ": r"-J|--job-name\b",
            "-n 1": r"-n|--ntasks[=\s]",
        },
        "-t ",
    ),
    "pbs": Queue(
        "qsub",
        "PBSCluster",
        "-q gpu -l select=1:ncpus=4:ngpus=1",
        {"-l select": r"-l\s*(select|nodes|ncpus|mem)\b", "-N ": "-N"},
        "-l walltime",
    ),
    "lsf": Queue(
        "bsub",
        "LSFCluster",
        "-q gpu -gpu num=1",
        {"-n ": "-n", "span[hosts=1]": "-n", "-M ": "-M", "-J ": "-J"},
        "-W ",
    ),
}


@asynccontextmanager
async def queue_cluster(queue: str, words: str, jobs: int | None, folder: Path) -> AsyncIterator[Any]:
    """Workers that a queue starts; a job that its time limit ended is asked for anew while there is work.

    `queue` is one of `QUEUES`. Raises Refused.
    """
    if shlex.quote(str(folder)) != str(folder):
        raise Refused(
            f"{escape(str(folder))}: a job script cannot name this folder. Choose one without spaces, by --to."
        )
    with certificates(folder / "tls") as security:
        async with job_cluster(queue, words, folder, security) as cluster:
            cluster.adapt(minimum_jobs=1, maximum_jobs=jobs or JOBS, interval="2s", wait_count=30)
            yield cluster


def job_cluster(queue: str, words: str, folder: Path, security: Any) -> Any:
    """A cluster whose workers are jobs; nothing is submitted yet."""
    import dask_jobqueue

    kind, said = QUEUES[queue], directives(queue, words)
    exports = [f"export {name}={shlex.quote(os.environ[name])}" for name in KEPT_VARIABLES if name in os.environ]
    return getattr(dask_jobqueue, kind.cluster)(
        cores=JOB_PROCESSORS,
        processes=1,
        memory=JOB_MEMORY,
        job_extra_directives=said,
        job_directives_skip=kind.skipped(said),
        job_name="lab3-tui",
        log_directory=str(folder / queue),
        job_script_prologue=[*exports, *WORKER_SETTINGS],
        worker_extra_args=["--nthreads", "1", "--memory-limit", "0", "--no-dashboard"],
        python=shlex.quote(sys.executable) + " -P",
        death_timeout=DEATH_TIMEOUT,
        protocol="tls://",
        security=security,
        scheduler_options={"dashboard_address": "127.0.0.1:0", "dashboard": False},
        asynchronous=True,
    )


def directives(queue: str, text: str) -> list[str]:
    """Words for a queue's program, an option with its value each, quoted as a shell would. Raises Refused."""
    found: list[str] = []
    for word in split_words(text, f"--{queue}"):
        if any(character in word for character in "\n\r\0"):
            raise Refused(f"--{queue}: holds a line break. Expected words for {QUEUES[queue].program}, on one line.")
        name, sign, value = word.partition("=")
        if word.startswith("-"):
            found.append(f"{name}={shlex.quote(value)}" if sign else word)
        elif found and "=" not in found[-1] and " " not in found[-1]:
            found[-1] += f" {shlex.quote(word)}"
        else:
            raise Refused(
                f"--{queue}: '{escape(word, SHORT)}' is no option of {QUEUES[queue].program}. "
                f'Example: --{queue} "{QUEUES[queue].example}"'
            )
    return found


def split_words(text: str, option: str) -> list[str]:
    """Words as a shell splits them. Raises Refused."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Refused(f"{option}: '{escape(text, SHORT)}': {error}.") from None


@contextmanager
def certificates(folder: Path) -> Iterator[Any]:
    """Certificates of this sweep alone, in files that only its user reads; gone when it ends. Raises Refused."""
    from distributed import Security

    made = Security.temporary()
    own_folder(folder)
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


def own_folder(folder: Path) -> None:
    """A folder that only its user may enter, whatever was there before. Raises Refused for a link or another's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refused(f"{escape(str(folder))}: is a link, or another user's. Take it away and go on.")
    folder.chmod(0o700)
