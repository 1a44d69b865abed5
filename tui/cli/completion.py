"""`lab3-tui completion`: what a shell runs to complete a command line, and the words that fit there."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from engine.api.demo import Attack
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.orders import METHODS

BASH = """\
_lab3_tui() {
    local IFS=$'\\n'
    COMPREPLY=($(lab3-tui completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _lab3_tui lab3-tui
"""
ZSH = """\
#compdef lab3-tui
_lab3_tui() {
    local -a found
    found=("${(@f)$(lab3-tui completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _lab3_tui lab3-tui
"""
FISH = """\
function __lab3_tui
    set -l words (commandline -opc) (commandline -ct)
    set -l found (lab3-tui completion words -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c lab3-tui -f -a '(__lab3_tui)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "--order-by": lambda: [name for name in METHODS if name != "random"] + ["random:0"],
    "--attack": lambda: get_args(Attack),
    "--scale": lambda: ("1", "1/255"),
    "--device": lambda: ("cpu", "gpu", "gpu:1"),
    "--scope": lambda: ("behind", "all"),
    "--optimizer": lambda: ("adam", "sgd"),
    "--format": lambda: ("keras", "onnx"),
    "--run": lambda: runs_here(),
}


def script(shell: str) -> str:
    """What to put into the settings of a shell. Raises Refused for a shell that is not known."""
    if shell not in SCRIPTS:
        raise Refused(f"completion: '{escape(shell, SHORT)}' is not known, expected {', '.join(SCRIPTS)}.")
    return SCRIPTS[shell]


def words(program: Any, typed: Sequence[str]) -> list[str]:
    """What may stand in the place of the last of these words, sorted; nothing where a file belongs there.

    `program`: the whole command line as the parser holds it; `typed`: the words behind the program's name.
    """
    *before, last = typed or [""]
    command = program
    for word in before:
        command = getattr(command, "commands", {}).get(word, command)
    option = _option(command, before[-1]) if before else None
    if option is not None and not option.is_flag:
        return _fitting(VALUES.get(before[-1], tuple)(), last)
    if last.startswith("-"):
        return _fitting((name for each in command.params for name in each.opts if name.startswith("--")), last)
    inner = getattr(command, "commands", {})
    return _fitting((name for name, each in inner.items() if not each.hidden), last)


def _option(command: Any, name: str) -> Any:
    return next((each for each in command.params if name.startswith("-") and name in each.opts), None)


def _fitting(names: Iterable[str], begin: str) -> list[str]:
    return sorted({name for name in names if name.startswith(begin)})


def runs_here() -> list[str]:
    """The names of the runs of the lab folder here."""
    from pathlib import Path

    from engine.api import lab
    from engine.api.journal import all_runs

    return [Path(run.folder).name for run in all_runs(Path.cwd() / lab.RUNS)]
