"""Where workers come from: which schedulers are spoken to, which cards are used, the words that a queue gets."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.api.errors import Refused
from tui.sweep import queues, workers
from tui.sweep.workers import Where, where_from


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
        workers.refuse_where(Where(scheduler=address))
    assert str(refused.value).startswith(f"--scheduler: '{address}' {why}".replace("[", "\\x5b"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786"])
def test_one_on_this_machine_may_do_without(address: str) -> None:
    workers.refuse_where(Where(scheduler=address))


def test_tls_takes_certificates(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="needs certificates"):
        workers.refuse_where(Where(scheduler="tls://host:1"))
    with pytest.raises(Refused, match=r"--tls-ca: ca\.pem: no such file"):
        workers.refuse_where(Where(scheduler="tls://host:1", tls=(tmp_path / "ca.pem", None, None)))


def test_two_answers_are_one_too_many() -> None:
    none = (None, None, None)
    with pytest.raises(Refused, match=r"--scheduler and --slurm: .* Give one of them"):
        where_from(None, "tcp://127.0.0.1:1", {"slurm": "--partition=gpu", "pbs": None}, none)
    with pytest.raises(Refused, match="--slurm and --lsf: "):
        where_from(None, None, {"slurm": "", "lsf": ""}, none)


@pytest.mark.parametrize(
    "words", [[], ["--workers", "3"], ["--scheduler", "tls://a:1", "--tls-ca", "/ca.pem"], ["--pbs", "-q gpu"],
              ["--workers", "8", "--slurm", ""]]
)  # fmt: skip
def test_options_say_where_again(words: list[str]) -> None:
    said = dict(zip(words[::2], words[1::2], strict=True))
    ca = Path(said["--tls-ca"]) if "--tls-ca" in said else None
    workers = int(said["--workers"]) if "--workers" in said else None
    queue = {name: said.get(f"--{name}") for name in queues.QUEUES}
    assert where_from(workers, said.get("--scheduler"), queue, (ca, None, None)).options() == words


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", []),
        ("--partition=gpu --gres=gpu:1", ["--partition=gpu", "--gres=gpu:1"]),
        ("-p gpu -t 2:00:00 --exclusive", ["-p gpu", "-t 2:00:00", "--exclusive"]),
        ("--comment='two words' -c 8", ["--comment='two words'", "-c 8"]),
        ("-R 'select[a] span[hosts=1]' -gpu num=1", ["-R 'select[a] span[hosts=1]'", "-gpu num=1"]),
    ],
)
def test_words_for_a_queue(words: str, found: list[str]) -> None:
    assert queues.directives("slurm", words) == found


@pytest.mark.parametrize(
    ("queue", "words", "left_out"),
    [
        ("slurm", ["-c8", "--mem-per-cpu=2G"], {"--cpus-per-task", "--mem"}),
        ("slurm", ["--ntasks-per-node=1", "--nice=5", "--mem-bind=local"], set()),
        ("pbs", ["-l walltime=1:00:00"], set()),
        ("pbs", ["-lselect=1:ngpus=1"], {"-l select"}),
        ("lsf", ["-n 4"], {"-n ", "span[hosts=1]"}),
    ],
)
def test_what_the_words_say_is_left_out_of_ours(queue: str, words: list[str], left_out: set[str]) -> None:
    *found, never = queues.QUEUES[queue].skipped(words)
    assert (set(found), never) == (left_out, queues.QUEUES[queue].never)


@pytest.mark.parametrize("words", ["gpu", "--partition=gpu 8", "-p gpu gpu", "'open", "--comment='a\nrm -rf x'"])
def test_words_that_are_none_are_refused(words: str) -> None:
    with pytest.raises(Refused, match="--slurm: "):
        workers.refuse_where(Where(queue="slurm", words=words))


def test_a_queue_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, queue in queues.QUEUES.items():
        with pytest.raises(Refused, match=f"--{name}: there is no {queue.program} on this machine"):
            workers.refuse_where(Where(queue=name))


def test_certificates_are_files_that_only_their_user_reads(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir(mode=0o777)
    with queues.certificates(tmp_path / "tls") as security:
        assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
        paths = {security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key}
        assert len(paths) == 3
        for path in map(Path, paths):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_text().startswith("-----BEGIN")
        assert security.require_encryption
    assert list((tmp_path / "tls").iterdir()) == []


def test_no_key_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tls").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is a link"), queues.certificates(tmp_path / "tls"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_cards_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert workers.card_numbers() == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2c,MIG-1a")
    assert workers.card_numbers() == ["GPU-8f2c", "MIG-1a"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert workers.card_numbers() == []


@pytest.fixture
def three_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose devices are three cards, of which the driver numbers two alike."""
    for name in ("nvidia10", "nvidia0", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(workers, "DEVICES", tmp_path)


def seen_by_three_workers() -> list[str]:
    """CUDA_VISIBLE_DEVICES in the process of each."""

    def visible() -> str:
        return os.environ.get("CUDA_VISIBLE_DEVICES", "all")

    async def asked() -> list[str]:
        async with workers.dask_client(Where(), Path()) as client:
            await client.wait_for_workers(3, timeout=120)
            return list((await client.run(visible)).values())

    return sorted(asyncio.run(asked()))


@pytest.mark.usefixtures("three_cards")
def test_each_card_has_a_worker_of_its_own() -> None:
    assert workers.card_numbers() == ["0", "2", "10"]
    assert seen_by_three_workers() == ["0", "10", "2"]


@pytest.mark.usefixtures("three_cards")
@pytest.mark.parametrize(
    ("device", "count", "cards"),
    [
        (None, None, ["0", "2", "10"]),
        ("gpu", None, ["0", "2", "10"]),
        ("gpu", 4, ["0", "2", "10", "0"]),
        ("gpu:1", None, [None]),
        ("cpu", 2, [None, None]),
    ],
)
def test_which_worker_gets_which_card(device: str | None, count: int | None, cards: list[str | None]) -> None:
    assert workers.cards_of_workers(Where(workers=count, device=device)) == cards


@pytest.mark.usefixtures("three_cards")
def test_on_the_processors_cards_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "sensible_workers", lambda: 5)
    assert workers.cards_of_workers(Where(device="cpu")) == [None] * 5


def test_a_sensible_share_of_this_machine() -> None:
    assert 1 <= workers.sensible_workers() <= max(1, len(os.sched_getaffinity(0)))


def test_without_dask_one_line_says_what_to_install(tmp_path: Path) -> None:
    for name in ("distributed", "dask", "cryptography", "dask_jobqueue"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError({name!r})")
    command = [sys.executable, "-c", "from tui.cli.main import main; main()", "sweep", "--headless", "--models", "x.h5"]

    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == f"{workers.MISSING}\n"


async def test_a_worker_that_has_gone_for_good_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "REPLACING", 0.2)
    monkeypatch.setitem(workers.SETTINGS, "distributed.deploy.lost-worker-timeout", "0.5s")
    async with workers.dask_client(Where(workers=1), tmp_path) as client, asyncio.timeout(100):
        await client.wait_for_workers(1)
        (before,) = (await client.scheduler.identity())["workers"]
        await client.cluster.workers[0].close()
        while (now := list((await client.scheduler.identity())["workers"])) in ([], [before]):
            await asyncio.sleep(0.05)
        assert len(now) == 1
