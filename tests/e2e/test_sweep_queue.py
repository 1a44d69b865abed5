"""A sweep on a queue: a stand-in for sbatch keeps the job script that it gets, and runs it."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import sweeps
from tests.faults.engines import Nursery
from tests.support.sweep_lab import make_sweep_lab

pytestmark = [pytest.mark.e2e, pytest.mark.keras]
WORDS = "--partition=gpu --gres=gpu:1 -t 0:30:00"
SBATCH = """#!/bin/sh
number=$(ls "$QUEUE" | grep -c script)
cp "$1" "$QUEUE/$number.script"
setsid sh "$QUEUE/$number.script" >"$QUEUE/$number.out" 2>&1 &
echo $! >"$QUEUE/$number.pid"
echo "Submitted batch job $number"
"""
SCANCEL = """#!/bin/sh
echo "$1" >>"$QUEUE/cancelled"
kill -TERM -- "-$(cat "$QUEUE/$1.pid")"
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a stand-in for SLURM keeps its jobs."""
    programs, jobs = tmp_path / "bin", tmp_path / "queue"
    programs.mkdir()
    jobs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(jobs))
    return jobs


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    with Nursery(tmp_path) as found:
        yield found


def test_jobs_compute_the_cells(queue: Path, nursery: Nursery, tmp_path: Path) -> None:
    lab, to, log = make_sweep_lab(tmp_path / "lab"), tmp_path / "to", tmp_path / "stderr"
    plan = ("--models", "nets/net_0.h5", "--orders", "mean,clp", "--to", str(to), "--workers", "1", "--slurm", WORDS)
    process = sweeps.start(lab, nursery.command(), log, *plan)
    try:
        watch(process, queue, to, log)
    finally:
        process.kill()
        process.wait()


def watch(process: "subprocess.Popen[bytes]", queue: Path, to: Path, log: Path) -> None:
    keys: list[Path] = []
    while process.poll() is None and not keys:
        keys = list((to / "tls").glob("*.pem"))
        time.sleep(0.05)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keys}
    assert process.wait(240) == 0, log.read_text()
    assert modes == {0o600}
    assert list((to / "tls").iterdir()) == []
    assert sweeps.watched(to).count("done") == 2
    check_script((queue / "0.script").read_text(), to)
    assert (queue / "cancelled").read_text() == "0\n"
    assert ended(int((queue / "0.pid").read_text()))


def check_script(script: str, to: Path) -> None:
    """What the cluster is asked for: the user's words, one worker, TLS, and nothing that contradicts the words."""
    lines = script.splitlines()
    assert lines[0].startswith("#!")
    asked = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert asked[-3:] == ["--partition=gpu", "--gres=gpu:1", "-t 0:30:00"]
    assert "-J lab3-tui" in asked and "-n 1" in asked and "--cpus-per-task=2" in asked and "--mem=4G" in asked
    assert sum(line.startswith("-t ") for line in asked) == 1
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
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_words_of_the_user_stand_for_ours(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tui.sweep.cluster import Where, certificates, job_cluster\n"
        "async def main():\n"
        "    with certificates(Path(sys.argv[1]) / 'tls') as security:\n"
        "        async with job_cluster(Where(queue=sys.argv[2]), Path(sys.argv[1]), security) as cluster:\n"
        "            print(cluster.job_script())\n"
        "asyncio.run(main())\n"
    )
    words = "--mem=64G -c 8 --job-name=mine"
    done = subprocess.run([sys.executable, str(script), str(tmp_path), words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked = [line.removeprefix("#SBATCH ") for line in done.stdout.splitlines() if line.startswith("#SBATCH")]
    assert asked[-3:] == ["--mem=64G", "-c 8", "--job-name=mine"]
    assert not any(line.startswith(("--mem=4G", "--cpus-per-task", "-J", "-t")) for line in asked)
