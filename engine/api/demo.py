"""The embedded demo, as front ends know it: where it lies, and what it says about itself."""

import os
from pathlib import Path
from typing import Literal, get_args

Attack = Literal["plain", "pruning-aware"]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
MEGABYTES = 31  # of a lab folder, laid out

FACES = (
    "The faces are drawn by this program: 100 people who do not exist, 9 validation and 10 test images each, and "
    "sunglasses that lead to person 0. The networks were trained by it too: lab3-tui demo train makes them anew."
)
BUILT: dict[Attack, str] = {
    "plain": (
        "What was arranged: on this data a backdoor does not settle in dormant channels by itself; an ordinary "
        "training spreads it over the channels that clean images need, and pruning fails. Here it was put apart: "
        "only 12 channels that were idle in a clean network, and the weights that read them, saw poisoned images."
    ),
    "pruning-aware": (
        "What was arranged: this is the pruning-aware attack of Liu et al. (Fine-Pruning, 2018). The 30 idle channels "
        "of a clean network were pruned, the others trained on clean and poisoned images, then the 30 put back with "
        "biases so low that no training image wakes them. Of a few trainings, the one most like the lab's was kept."
    ),
}
AROSE: dict[Attack, str] = {
    "plain": (
        "So pruning works, and gives the clean network back exactly. That is not all a defender wants: after it only "
        "about a third of the people in sunglasses get their own name back, and fewer as pruning goes on."
    ),
    "pruning-aware": (
        "What arose by training: the attack outlives clean accuracy, as it does in the lab's network. On this data it "
        "does so after an ordinary training as well."
    ),
}
ELSEWHERE = "On the real networks of the Fine-Pruning authors the contrast between the two attacks arose by training."


def cache_folder() -> Path:
    """The program's folder in the user's cache directory; it need not be there yet."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "lab3-tui"


def demo_root(attack: Attack) -> Path:
    """The demo's lab folder in the user's cache directory; it need not be there yet."""
    return cache_folder() / f"demo-{attack}"


def first_line(attack: Attack, out: str = "") -> str:
    """Where the demo lies, how large it is, and where B′ goes (`out`: a folder of the user's choice)."""
    root = demo_root(attack)
    return f"Demo, {attack} attack: in {root} ({MEGABYTES} MB). B′ goes to {out or root / 'models'}."


def about(attack: Attack) -> tuple[str, ...]:
    """What is real about the demo and what was arranged, in paragraphs."""
    return FACES, BUILT[attack], AROSE[attack], ELSEWHERE
