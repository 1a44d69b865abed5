"""What a run writes for its user: B' beside the lab's models, G's answers and the results in the run folder."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from engine.api import journal, lab
from engine.api.errors import Refused
from engine.api.protocol import Question, Saved
from engine.api.textsafe import escape
from engine.evaluation import repaired
from engine.files.atomic import sha256_file, write_atomically
from engine.files.model import pruned_bytes
from engine.recorder import Recorder
from engine.report import answers_file
from engine.run import Run


class Saver:
    """Writes the files of one run. `recorded` holds, by path, the hashes that runs beside this one recorded."""

    def __init__(self, run: Run, recorder: Recorder) -> None:
        self.run, self.recorder = run, recorder
        self.out = Path(run.settings.out or Path(run.settings.root) / "models")
        self.suffix = ".keras" if run.inputs.model.spec.format == "keras" else ".h5"
        self.recorded = journal.recorded_files(run.folder.parent)

    def planned(self) -> list[Path]:
        """The B' files that the settings ask for."""
        settings = self.run.settings
        names = [lab.model_name(suffix=self.suffix, threshold=each) for each in settings.save_at]
        names += [lab.model_name(suffix=self.suffix, step=each) for each in settings.save_steps]
        return [self.out / name for name in names]

    def ours(self, path: Path) -> bool:
        """Whether `path` may be written: nothing is there, or what a run recorded and nobody has changed since."""
        if self.run.settings.overwrite or not path.exists():
            return True
        return str(path) in self.recorded and sha256_file(path) in self.recorded[str(path)]

    def refuse_foreign(self) -> None:
        """Raises Refused, before anything is computed, where an output is somebody else's file."""
        foreign = [path for path in self.planned() if not self.ours(path)]
        if foreign:
            names = ", ".join(escape(path.name, 48) for path in foreign)
            raise Refused(
                f"{names}: there already in {self.out}, and not from a run recorded here. "
                "Choose another folder with --out, or replace them with --overwrite."
            )

    def model(self, name: str, step: int, threshold: str | None = None, overwrite: bool = False) -> bool:
        """Save B' of a step under `name`, and what G answers there.

        Where the file is somebody else's it asks instead, and returns False.
        """
        path = self.out / name
        if not overwrite and not self.ours(path):
            text = f"{escape(name, 48)} is there already, and not from a run recorded here. Replace it?"
            self.recorder.emit(Question("overwrite", text, threshold, step, str(path)))
            return False
        run = self.run
        data = pruned_bytes(run.inputs.model, run.inputs.layer, run.session.order[:step])
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
            columns = {
                name: {"label": at.labels, "B": b[at.rows], "B_prime": b_prime[at.rows], "G": g[at.rows]}
                for name, at in sets.items()
            }
            self.put(run.folder / name, answers_file(columns), "answers", step, threshold)

    def results(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Write result files into the run folder; returns their paths."""
        return [self.put(self.run.folder / name, data, name) for name, data in files]

    def put(self, path: Path, data: bytes, what: str, step: int | None = None, threshold: str | None = None) -> str:
        digest = sha256(data).hexdigest()
        same = path.is_file() and path.stat().st_size == len(data) and sha256_file(path) == digest
        if not same:
            with self.recorder.writing:
                write_atomically(path, data)
        self.recorded.setdefault(str(path), set()).add(digest)
        self.recorder.emit(Saved(what, str(path), digest, "unchanged" if same else "written", step, threshold))
        return str(path)
