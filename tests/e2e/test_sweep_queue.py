"""A sweep on a queue: stand-ins for sbatch, qsub and bsub keep the job script that they get, and run it."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import sweeps
from tests.faults.engines import Nursery
from tests.support.sweep_lab import make_sweep_lab

pytestmark = [pytest.mark.e2e, pytest.mark.keras]
PATIENCE = 200
# the script is copied before the program ends: dask-jobqueue takes it away then
SUBMIT = """#!/bin/sh
number=$(ls "$QUEUE" | grep -c script)
cat {script} >"$QUEUE/$number.script"
setsid sh "$QUEUE/$number.script" >"$QUEUE/$number.out" 2>&1 &
echo $! >"$QUEUE/$number.pid"
echo "{answer}"
"""
CANCEL = """#!/bin/sh
echo "$1" >>"$QUEUE/cancelled"
kill -TERM -- "-$(cat "$QUEUE/${1%%.*}.pid")"
"""
# by queue: what takes scripts, how they come, what it answers, what ends a job; a user's words; what is asked for
QUEUES = {
    "slurm": ("sbatch", '"$1"', "Submitted batch job $number", "scancel", "--partition=gpu --gres=gpu:1 -t 0:30:00"),
    "pbs": ("qsub", '"$1"', "$number.server", "qdel", "-q gpu -l walltime=0:30:00"),
    "lsf": ("bsub", "-", "Job <$number> is submitted to queue <gpu>.", "bkill", "-q gpu -W 30"),
}
ASKED = {
    "slurm": ("-J lab3-tui", "-n 1", "--cpus-per-task=2", "--mem=4G", "--partition=gpu", "--gres=gpu:1", "-t 0:30:00"),
    "pbs": ("-N lab3-tui", "-l select=1:ncpus=2:mem=3815MB", "-q gpu", "-l walltime=0:30:00"),
    "lsf": ("-J lab3-tui", "-n 2", '-R "span[hosts=1]"', "-M 4000000", "-q gpu", "-W 30"),
}
PREFIX = {"slurm": "#SBATCH ", "pbs": "#PBS ", "lsf": "#BSUB "}


@pytest.fixture
def queue(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a stand-in for a queue keeps its jobs."""
    programs, jobs = tmp_path / "bin", tmp_path / "queue"
    programs.mkdir()
    jobs.mkdir()
    submit, script, answer, cancel, _ = QUEUES[request.param]
    for name, text in ((submit, SUBMIT.format(script=script, answer=answer)), (cancel, CANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(jobs))
    return jobs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep_lab(tmp_path_factory.mktemp("sweeps") / "lab", networks=1)


@pytest.mark.parametrize(("queue", "name"), [(name, name) for name in QUEUES], indirect=["queue"])
def test_jobs_compute_the_cells(queue: Path, name: str, nursery: Nursery, lab: Path, tmp_path: Path) -> None:
    to, log, words = tmp_path / "to", tmp_path / "stderr", QUEUES[name][-1]
    orders = "mean,clp" if name == "slurm" else "mean"
    plan = ("--models", "nets/net_0.h5", "--orders", orders, "--to", str(to), "--workers", "1", f"--{name}", words)
    process = sweeps.start(lab, nursery.command(), log, *plan)
    try:
        watch(process, to, log, queue)
    finally:
        process.kill()
        process.wait()
        end(queue)
    assert sweeps.watched(to).count("done") == len(orders.split(","))
    check_script((queue / "0.script").read_text(), name, to)
    assert (queue / "cancelled").read_text().partition(".")[0].strip() == "0"
    assert f"Waiting for jobs; what they say is in {to / name}" in log.read_text()


def watch(process: "subprocess.Popen[bytes]", to: Path, log: Path, queue: Path) -> None:
    """The sweep to its end: keys are the user's alone while it lasts, then they and the job are gone."""
    keys: list[Path] = []
    while process.poll() is None and not keys:
        keys = list((to / "tls").glob("*.pem"))
        time.sleep(0.05)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keys}
    assert process.wait(PATIENCE) == 0, log.read_text() + said(queue)
    assert modes == {0o600}
    assert list((to / "tls").iterdir()) == []
    assert ended(int((queue / "0.pid").read_text()))


def said(queue: Path) -> str:
    return "".join(path.read_text() for path in queue.glob("*.out"))


def end(queue: Path) -> None:
    """Jobs that a sweep has left behind."""
    for path in queue.glob("*.pid"):
        subprocess.run(["kill", "-9", "--", f"-{path.read_text().strip()}"], capture_output=True, check=False)


def check_script(script: str, name: str, to: Path) -> None:
    """What the cluster is asked for: the user's words, one worker, TLS, and nothing that contradicts the words."""
    lines = script.splitlines()
    assert lines[0].startswith("#!")
    asked = [line.removeprefix(PREFIX[name]) for line in lines if line.startswith(PREFIX[name])]
    where = [line for line in asked if line.startswith(("-e ", "-o "))]
    assert len(where) == 2 and all(f"{to / name}/" in line for line in where)
    assert sorted(line for line in asked if line not in where) == sorted(ASKED[name])
    worker = lines[-1]
    assert worker.startswith(f"{sys.executable} -P -m distributed.cli.dask_worker tls://")
    for words in (
        "--protocol tls://",
        f"--tls-key {to}/tls/key.pem",
        f"--tls-ca-file {to}/tls/ca.pem",
        "--no-dashboard",
    ):
        assert words in worker
    assert "BEGIN" not in script  # no key stands in a script that others may read
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0


def ended(pid: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("name", "words", "asked", "not_asked"),
    [
        ("slurm", "--mem=64G -c 8 --job-name=mine", ["--mem=64G", "-c 8", "--job-name=mine"],
         ("--mem=4G", "--cpus-per-task", "-J", "-t")),
        ("pbs", "-l select=1:ncpus=4:ngpus=1 -N mine", ["-l select=1:ncpus=4:ngpus=1", "-N mine"],
         ("-l select=1:ncpus=2", "-N lab3", "-l walltime")),
        ("lsf", "-n 8 -M 9000000 -R 'select[a] rusage[b=1]' -J mine",
         ["-n 8", "-M 9000000", "-R 'select[a] rusage[b=1]'", "-J mine"],
         ("-n 2", '-R "span', "-M 4", "-J lab3", "-W")),
    ],
)  # fmt: skip
def test_words_of_the_user_stand_for_ours(
    tmp_path: Path, name: str, words: str, asked: list[str], not_asked: tuple[str, ...]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tui.sweep.queues import certificates, job_cluster\n"
        "async def main():\n"
        "    folder = Path(sys.argv[1])\n"
        "    with certificates(folder / 'tls') as security:\n"
        "        async with job_cluster(sys.argv[2], sys.argv[3], folder, security) as cluster:\n"
        "            print(cluster.job_script())\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, str(script), str(tmp_path), name, words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix(PREFIX[name]) for line in done.stdout.splitlines() if line.startswith(PREFIX[name])]
    assert lines[-len(asked) :] == asked
    assert not any(line.startswith(not_asked) for line in lines[: -len(asked)])
