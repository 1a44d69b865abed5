"""The README's picture of a sweep: orders on the demo's two networks.

    python -m tests.screenshots.sweep [--folder FOLDER]

Lays out a lab with both networks and runs the command that the README shows. Takes a few minutes.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.api.demo import ATTACKS
from engine.demo.lab import lay_out

PLAN = ("--models", "nets/*.h5", "--orders", "mean,clp,taylor,random,tac", "--seeds", "0-2", "--save-at", "2,10")


def make_lab(lab: Path) -> Path:
    """Both networks of the demo, whose images are the same, in one lab."""
    (lab / "nets").mkdir(parents=True)
    for attack in ATTACKS:
        demo = lab.parent / attack
        lay_out(attack, demo)
        shutil.copytree(demo / "data", lab / "data", dirs_exist_ok=True)
        shutil.copy(demo / "models/bd_net.h5", lab / f"nets/{attack}.h5")
    return lab


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots.sweep")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where it goes")
    folder = parser.parse_args().folder
    with TemporaryDirectory(prefix="lab3-") as place:
        lab = make_lab(Path(place) / "lab")
        command = [sys.executable, "-P", "-m", "tui", "sweep", "--headless", "--root", str(lab), *PLAN]
        subprocess.run(command, check=True)
        shutil.copy(lab / "sweep/sweep.png", folder / "sweep.png")
        print((lab / "sweep/sweep.md").read_text())


if __name__ == "__main__":
    main()
