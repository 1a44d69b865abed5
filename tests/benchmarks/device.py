"""A run on the card of this machine, with every backend that is installed, beside the CPU's and the plain loop.

    python -m tests.benchmarks.device [--valid N --test N] [--folder DIR] [--plain 3]

With a card: the lab's own size. Each backend runs twice, with empty caches and with the first run's; then the CPU runs
once and every count of every step is compared; then the kit's plain loop takes a few steps on the same card. Without
a card it runs small, with features in the store that a card would have. LAB3_KIT names the kit (make_lab.py,
notebook_loop.py, models); without one the lab is the embedded demo's, and there is no plain loop. Nothing else is
needed than the package itself. Ends with status 1 where a count differs.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

VALID, TEST = 11547, 12830  # images in the lab's own files
SMALL = 300  # of each set, where there is no card
BACKENDS = ("tensorflow", "jax", "torch")
PHASES = {"tensorflow": "import", "hash": "hash", "model": "network", "ranking": "ranking", "baseline": "B's answers"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--valid", type=int, help="validation images, clean and poisoned")
    parser.add_argument("--test", type=int, help="test images, clean and poisoned")
    parser.add_argument("--folder", type=Path, help="where the lab folder is laid out and kept (default: temporary)")
    parser.add_argument("--plain", type=int, default=3, help="steps of the plain loop")
    args = parser.parse_args()
    card = card_name()
    print(
        f"machine: {card or 'no GPU'}, {platform.machine()}, {os.cpu_count()} processors, Python "
        f"{platform.python_version()}" + ("" if card else "; small, with the store of a card on the CPU"),
        flush=True,
    )
    valid, test = args.valid or (VALID if card else SMALL), args.test or (TEST if card else SMALL)
    with tempfile.TemporaryDirectory() as temporary:
        lab = lay_out(args.folder or Path(temporary), valid, test)
        backends = [name for name in BACKENDS if importlib.util.find_spec(name)]
        runs = [run for name in backends for run in both(lab, name, card, Path(temporary))]
        beside = headless(lab, backends[0], "CPU, host's store", {"LAB3_FEATURES": "host"}, "--device", "cpu")
        table([*runs, beside])
        plain(lab, args.plain, backends)
        different = [(run, differences(run, beside)) for run in runs]
    for run, found in different:
        print(
            f"{run.title}: {len(run.counts)} steps, "
            + (f"DIFFERENT: {found[0]}" if found else "every count as the CPU's")
        )
    sys.exit(any(found for _, found in different))


# --- the lab and the machine ---


def card_name() -> str:
    """The first card's name, as its driver tells it; empty without one."""
    return (asked("name") or [""])[0]


def asked(what: str) -> list[str]:
    """What nvidia-smi says of each card."""
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return found.stdout.split("\n")[:-1] if found.returncode == 0 else []


def lay_out(folder: Path, valid: int, test: int) -> Path:
    """A lab folder of so many images of the kit's; without a kit, the demo's own."""
    lab = folder / f"lab-{valid}-{test}"
    if lab.exists():
        return lab
    if kit := os.environ.get("LAB3_KIT"):
        command = [sys.executable, f"{kit}/make_lab.py", str(lab), "--valid", str(valid), "--test", str(test)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    else:
        from engine.demo.lab import lay_out as lay_out_demo

        print("LAB3_KIT names no kit: the embedded demo's lab")
        lay_out_demo("pruning-aware", lab)
    return lab


# --- whole runs ---


@dataclass
class Measured:
    """One headless run: seconds by phase, seconds and counts of each step, seconds of it all; bytes of the card."""

    title: str
    device: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    counts: list[dict[str, Any]] = field(default_factory=list)
    whole: float = 0.0
    ready: float = 0.0  # when the network was built
    features: float = 0.0  # from then on, until all were there: sets may be read beside each other
    used: int = 0
    peak: int = 0

    def take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "opened":
                self.device, self.used = event["device"], event.get("device_memory", 0)
            case "stepped":
                self.counts.append(event["counts"])
                if event["step"]:
                    self.steps.append(event["seconds"])
            case "progress" if event["done"] >= event["total"]:
                self.seconds[event["phase"]] = event["seconds"]
                if event["phase"] == "model":
                    self.ready = time.perf_counter()
                if event["phase"].startswith("features"):
                    self.features = time.perf_counter() - self.ready


def both(lab: Path, backend: str, card: str, folder: Path) -> list[Measured]:
    """A run with empty caches, and one with what it left there."""
    caches = folder / f"caches-{backend}"
    environment = {"XDG_CACHE_HOME": str(caches), "CUDA_CACHE_PATH": str(caches / "cuda"), "LAB3_FEATURES": "device"}
    return [
        headless(lab, backend, f"{backend}, caches {state}", environment, *(() if card else ("--device", "cpu")))
        for state in ("cold", "warm")
    ]


def headless(lab: Path, backend: str, title: str, environment: dict[str, str], *options: str) -> Measured:
    """One whole run, from the start of the process to its end."""
    found = Measured(title)
    shutil.rmtree(lab / "runs", ignore_errors=True)
    command = [sys.executable, "-m", "tui", "--headless", "--json", "--overwrite", "--root", str(lab), *options]
    begin = time.perf_counter()
    with Peak() as peak, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment | {"KERAS_BACKEND": backend},
        )
        for line in process.stdout or ():
            found.take(json.loads(line))
        if process.wait() not in (0, 1):  # 1: a threshold was not reached
            errors.seek(0)
            sys.exit(f"{title}: ended with status {process.returncode}\n{errors.read()[-2000:]}")
    found.whole, found.peak = time.perf_counter() - begin, peak.bytes
    return found


class Peak:
    """How much more of the first card's memory is used at most within a block, in bytes; 0 without a card."""

    def __init__(self) -> None:
        self.bytes = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self) -> "Peak":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def watch(self) -> None:
        before = asked("memory.used")
        while before and not self.stop.wait(0.1):
            self.bytes = max(self.bytes, (int((asked("memory.used") or before)[0]) - int(before[0])) * 2**20)


# --- what came of it ---


def table(runs: list[Measured]) -> None:
    """Seconds of each part, a column a run. The parts of one start overlap: files are hashed beside the rest."""
    rows: dict[str, list[str]] = {"device": [run.device for run in runs]}
    for phase, title in PHASES.items():
        rows[title + ", s"] = [f"{run.seconds[phase]:.2f}" if phase in run.seconds else "" for run in runs]
    rows["features of all sets, s"] = [f"{run.features:.2f}" for run in runs]
    rows["steps: median, ms"] = [f"{1000 * median(run.steps):.1f}" for run in runs]
    rows["steps: slowest, ms"] = [f"{1000 * max(run.steps):.1f}" for run in runs]
    rows["steps: all, s"] = [f"{sum(run.steps):.2f}" for run in runs]
    rows["files, s"] = [f"{run.seconds.get('files', 0):.2f}" for run in runs]
    rows["whole run, s"] = [f"{run.whole:.2f}" for run in runs]
    rows["card's memory in use, GB"] = [f"{run.used / 1e9:.2f}" if run.used else "" for run in runs]
    rows["at most, with the driver's own, GB"] = [f"{run.peak / 1e9:.2f}" if run.peak else "" for run in runs]
    width = max(map(len, rows))
    columns = [max(len(run.title), *(len(cells[i]) for cells in rows.values())) for i, run in enumerate(runs)]
    for title, cells in {"": [run.title for run in runs], **rows}.items():
        print(title.ljust(width), *(cell.rjust(size) for cell, size in zip(cells, columns, strict=True)), sep="  ")


def differences(run: Measured, other: Measured) -> list[str]:
    """The steps whose counts are not those of another run."""
    if len(run.counts) != len(other.counts):
        return [f"{len(run.counts)} steps, and {len(other.counts)}"]
    return [
        f"step {step}: {mine}, and {theirs}"
        for step, (mine, theirs) in enumerate(zip(run.counts, other.counts, strict=True))
        if mine != theirs
    ]


def plain(lab: Path, steps: int, backends: list[str]) -> None:
    """Seconds a step of the kit's plain loop, on the same device."""
    kit = os.environ.get("LAB3_KIT")
    for backend in backends if kit and steps else ():
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, f"{kit}/notebook_loop.py", str(lab), "--steps", str(steps), "--json", file.name]
            environment = os.environ | {"KERAS_BACKEND": backend}
            found = subprocess.run(command, capture_output=True, text=True, env=environment)
            if found.returncode:
                print(f"plain loop, {backend}: ended with status {found.returncode}\n{found.stderr[-500:]}")
                continue
            seconds = [row["seconds"] for row in json.loads(Path(file.name).read_text())["curve"]]
        print(f"plain loop, {backend}: {median(seconds):.2f} s a step")


if __name__ == "__main__":
    main()
