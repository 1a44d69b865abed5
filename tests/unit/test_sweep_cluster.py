"""Where workers come from: which schedulers are spoken to, and the words that a queue gets."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.api.errors import Refused
from tui.sweep import cluster
from tui.sweep.cluster import Where


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://10.0.0.1:8786", "is not encrypted"),
        ("tcp://elsewhere:8786", "is not encrypted"),
        ("tcp://0.0.0.0:8786", "is not encrypted"),
        ("tcp://[2001:db8::1]:8786", "is not encrypted"),
        ("http://127.0.0.1:1", "is no address"),
        ("127.0.0.1:8786", "is no address"),
        ("tls://host", "is no address"),
        ("tls://host:99999", "is no address"),
        ("", "is no address"),
    ],
)
def test_a_scheduler_elsewhere_is_refused_without_tls(address: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        cluster.refuse_where(Where(scheduler=address))
    assert str(refused.value).startswith(f"--scheduler: '{address}' {why}".replace("[", "\\x5b"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786"])
def test_one_on_this_machine_may_do_without(address: str) -> None:
    cluster.refuse_where(Where(scheduler=address))


def test_tls_takes_certificates(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="needs certificates"):
        cluster.refuse_where(Where(scheduler="tls://host:1"))
    with pytest.raises(Refused, match=r"--tls-ca: ca\.pem: no such file"):
        cluster.refuse_where(Where(scheduler="tls://host:1", tls=(tmp_path / "ca.pem", None, None)))


def test_two_answers_are_one_too_many() -> None:
    with pytest.raises(Refused, match="Give one of them"):
        cluster.refuse_where(Where(scheduler="tcp://127.0.0.1:1", queue="--partition=gpu"))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", []),
        ("--partition=gpu --gres=gpu:1", ["--partition=gpu", "--gres=gpu:1"]),
        ("-p gpu -t 2:00:00 --exclusive", ["-p gpu", "-t 2:00:00", "--exclusive"]),
        ("--comment='two words' -c 8", ["--comment=two words", "-c 8"]),
    ],
)
def test_words_for_sbatch(words: str, found: list[str]) -> None:
    assert cluster.directives(words) == found


@pytest.mark.parametrize("words", ["gpu", "--partition=gpu 8", "-p gpu gpu", "'open", "--comment='a\nrm -rf x'"])
def test_words_that_are_none_are_refused(words: str) -> None:
    with pytest.raises(Refused, match="--slurm: "):
        cluster.refuse_where(Where(queue=words))


def test_certificates_are_files_that_only_their_user_reads(tmp_path: Path) -> None:
    with cluster.certificates(tmp_path / "tls") as security:
        paths = {security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key}
        assert len(paths) == 3
        for path in map(Path, paths):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_text().startswith("-----BEGIN")
        assert security.require_encryption
    assert list((tmp_path / "tls").iterdir()) == []


def test_cards_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert cluster.card_numbers() == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert cluster.card_numbers() == []


def test_a_sensible_share_of_this_machine() -> None:
    assert 1 <= cluster.sensible_workers() <= max(1, len(os.sched_getaffinity(0)))


def test_without_dask_one_line_says_what_to_install(tmp_path: Path) -> None:
    for name in ("distributed", "dask", "cryptography", "dask_jobqueue"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError({name!r})")
    command = [sys.executable, "-c", "from tui.cli.main import main; main()", "sweep", "--headless", "--models", "x.h5"]

    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == f"{cluster.MISSING}\n"
