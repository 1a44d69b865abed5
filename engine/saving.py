"""What a run writes for its user: B' beside the lab's models, G's answers and the results in the run folder."""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np

from engine.api import journal, lab
from engine.api.errors import Refused
from engine.api.orders import method_of
from engine.api.protocol import Question, Saved, Settings
from engine.api.textsafe import escape
from engine.evaluation import repaired
from engine.files.atomic import sha256_file, write_atomically
from engine.files.model import pruned_bytes
from engine.inputs import paths
from engine.recorder import Recorder
from engine.report import answers_file
from engine.run import Run


def out_folder(settings: Settings) -> Path:
    """Where B' goes."""
    return Path(settings.out or Path(settings.root) / "models")


def runs_folder(settings: Settings) -> Path:
    """Where run folders are."""
    return Path(settings.runs or Path(settings.root) / "runs")


def refuse_foreign(settings: Settings, suffix: str) -> None:
    """Raises Refused, before anything is computed, where a B' would replace somebody else's file."""
    names = [lab.model_name(suffix=suffix, threshold=each) for each in settings.save_at]
    names += [lab.model_name(suffix=suffix, step=each) for each in settings.save_steps]
    out, recorded = out_folder(settings), journal.recorded_files(runs_folder(settings))
    for name in names:
        refuse_input(settings, out / name)
    foreign = [name for name in names if not settings.overwrite and not ours(out / name, recorded)]
    if foreign:
        raise Refused(
            f"{', '.join(foreign)}: there already in {escape(str(out))}, and not from a run recorded here. "
            "Choose another folder with --out, or replace them with --overwrite."
        )


def refuse_input(settings: Settings, path: Path) -> None:
    """Raises Refused where `path` is a file that the run reads: B and the data are nobody's to replace."""
    for what, read in paths(settings).items():
        if os.path.exists(path) and os.path.exists(read) and path.samefile(read):
            kind = "network" if what == "model" else "data"
            raise Refused(f"{escape(path.name, 48)}: is the {kind} of this run itself. Choose another name or --out.")


def ours(path: Path, recorded: dict[str, set[str]]) -> bool:
    """Whether `path` may be written: nothing is there, or what a run recorded and nobody has changed since."""
    if not os.path.exists(path):
        return True
    return path.is_file() and path.name in recorded and sha256_file(path) in recorded[path.name]


def holds(path: Path, data: bytes) -> bool:
    """Whether these bytes are in place already: saved by a run that ended before it could record it, or by chance."""
    return path.is_file() and path.stat().st_size == len(data) and sha256_file(path) == sha256(data).hexdigest()


class Saver:
    """Writes the files of one run. `recorded` holds, by name, the hashes that runs beside this one recorded."""

    def __init__(self, run: Run, recorder: Recorder) -> None:
        self.run, self.recorder = run, recorder
        self.out, self.suffix = out_folder(run.settings), run.inputs.suffix
        self.recorded = journal.recorded_files(run.folder.parent)

    def model(self, name: str, step: int, threshold: str | None = None, overwrite: bool = False) -> bool:
        """Save B' of a step under `name`, and what G answers there.

        Where the file is somebody else's it asks instead, and returns False.
        """
        run, path = self.run, self.out / name
        refuse_input(run.settings, path)
        data = pruned_bytes(run.inputs.model, run.inputs.layer, run.session.order[:step])
        if not (overwrite or run.settings.overwrite or ours(path, self.recorded) or holds(path, data)):
            text = f"{escape(name, 48)} is there already, and not from a run recorded here. Replace it?"
            self.recorder.emit(Question("overwrite", text, threshold, step, str(path)))
            return False
        self.put(path, data, "model", step, threshold)
        self.answers(lab.g_name(threshold=threshold, step=step), step, threshold)
        return True

    def answers(self, name: str, step: int, threshold: str | None) -> None:
        """G's answers on the test sets at a step, beside those of B and B'."""
        run = self.run
        b, b_prime = run.b_answers, run.session.answers[run.session.key(step)]
        g = repaired(b, b_prime, run.inputs.classes)
        sets = {name: run.image_sets[name] for name in ("test", "poisoned") if name in run.image_sets}
        if sets:
            columns: dict[str, dict[str, np.ndarray]] = {
                name: {"label": at.labels, "B": b[at.rows], "B_prime": b_prime[at.rows], "G": g[at.rows]}
                for name, at in sets.items()
            }
            self.put(run.folder / name, answers_file(columns, self.oracle), "answers", step, threshold)

    @property
    def oracle(self) -> str:
        """The name of the run's order, where it looked at poisoned images."""
        settings = self.run.settings
        return settings.order_by if method_of(settings.order_by).oracle and not settings.order else ""

    def results(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Write result files into the run folder; returns their paths."""
        return [self.put(self.run.folder / name, data, name) for name, data in files]

    def put(self, path: Path, data: bytes, what: str, step: int | None = None, threshold: str | None = None) -> str:
        digest, same = sha256(data).hexdigest(), holds(path, data)
        if not same:
            with self.recorder.writing:
                write_atomically(path, data)
        self.recorded.setdefault(path.name, set()).add(digest)
        self.recorder.emit(Saved(what, str(path), digest, "unchanged" if same else "written", step, threshold))
        return str(path)
