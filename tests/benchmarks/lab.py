"""The whole defence at the lab's own size, beside the notebook's way, in one call on one machine.

    python -m tests.benchmarks.lab [--folder DIR] [--times 1] [--runs 1] [--steps 2]

Lays out a lab folder (11,547 validation and 12,830 test images, clean and poisoned: 2.2 GB; LAB3_KIT names the kit),
runs `lab3-tui --headless` and a few steps of the kit's notebook_loop.py in turn, and prints seconds, ratios and the
engine's peak memory. `--times 10` takes ten times the images, with features in memory and mapped. What the notebook
would take is its load plus 61 times the mean of its steps, B's own pass included.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

VALID, TEST = 11547, 12830  # images in the lab's own files
STEPS = 60


@dataclass(frozen=True)
class Measured:
    """Seconds of one run, and the peak of its largest process in bytes."""

    whole: float
    steps: float
    peak: int


def kit() -> Path:
    if "LAB3_KIT" not in os.environ:
        sys.exit("LAB3_KIT does not say where the kit lies (make_lab.py, notebook_loop.py, models).")
    return Path(os.environ["LAB3_KIT"])


def lay_out(folder: Path, times: int) -> Path:
    """A lab folder of so many times the lab's size; one that is there already is taken as it is."""
    lab = folder / f"lab{times}"
    if not (lab / "models").exists():
        sizes = ["--valid", str(VALID * times), "--test", str(TEST * times)]
        subprocess.run([sys.executable, str(kit() / "make_lab.py"), str(lab), *sizes], check=True)
    return lab


def headless(lab: Path, *options: str) -> Measured:
    """One whole run, from the start of the process to its end."""
    shutil.rmtree(lab / "runs", ignore_errors=True)
    command = [sys.executable, "-m", "tui", "--headless", "--json", "--overwrite", "--root", str(lab), *options]
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)  # of the process and of the engine that it waited for
        whole = time.perf_counter() - begin
        if status:
            sys.exit(f"the headless run ended with status {status}")
        out.seek(0)
        events = [json.loads(line) for line in out]
    steps = sum(event["seconds"] for event in events if event.get("event") == "stepped" and event["step"])
    return Measured(whole, steps, usage.ru_maxrss * 1024)


def notebook(lab: Path, steps: int) -> tuple[float, float]:
    """Seconds to load and seconds a step of the notebook's way."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, str(kit() / "notebook_loop.py"), str(lab)]
        subprocess.run([*command, "--steps", str(steps), "--json", file.name], check=True, capture_output=True)
        record = json.loads(Path(file.name).read_text())
    seconds = [row["seconds"] for row in record["curve"]]
    return record["load_seconds"], sum(seconds) / len(seconds)


def report(runs: list[Measured], notebooks: list[tuple[float, float]]) -> None:
    """The figures, each a median, and the ratios."""
    load, step = (median(column) for column in zip(*notebooks, strict=True))
    whole, steps = median(run.whole for run in runs), median(run.steps for run in runs)
    print(f"machine: {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"notebook: {step:.1f} s a step, {load + (STEPS + 1) * step:.0f} s for all of it (load {load:.1f} s)")
    print(f"sixty steps, features at hand: {steps:.2f} s, {STEPS * step / steps:.0f} times faster")
    print(f"whole run, start to last file: {whole:.2f} s, {(load + (STEPS + 1) * step) / whole:.0f} times faster")
    print(f"peak memory of the engine: {max(run.peak for run in runs) / 1e9:.2f} GB")


def larger(folder: Path, times: int, base: Measured) -> None:
    """The same with more images, features in memory and mapped, against the lab's size."""
    wanted = 2.3e9 * times
    if shutil.disk_usage(folder).free < 1.2 * wanted:
        print(f"{times} times the images: skipped, it needs {wanted / 1e9:.0f} GB of disk")
        return
    lab = lay_out(folder, times)
    for name, options in (("in memory", ()), ("mapped", ("--feature-memory", "0"))):
        found = headless(lab, *options)
        print(
            f"{times} times the images, features {name}: {found.whole:.1f} s, "
            f"{found.whole / base.whole:.2f} times the lab's size, peak {found.peak / 1e9:.2f} GB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where lab folders are laid out and kept (default: temporary)")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        lab = lay_out(folder, 1)
        runs, notebooks = [], []
        for _ in range(args.runs):
            runs.append(headless(lab))
            notebooks.append(notebook(lab, args.steps))
        report(runs, notebooks)
        if args.times > 1:
            larger(folder, args.times, runs[-1])


if __name__ == "__main__":
    main()
