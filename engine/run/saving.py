"""What a run writes for its user: B′ beside the lab's models, G's answers and the results in the run folder."""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from engine.api import file_names, journal, lab
from engine.api.atomic_file import sha256_file, write_atomically
from engine.api.deliverables import Channels, File
from engine.api.errors import Foreign, Refused
from engine.api.escape import escape
from engine.api.orders import method_of
from engine.api.protocol import FileChanged, Question, Saved, Settings, threshold_label
from engine.api.tunings import Tuning
from engine.network.g_answers import g_answers
from engine.report import RESULT_FILES, answers_file
from engine.run.inputs import paths
from engine.run.recorder import Recorder
from engine.run.run import Run
from engine.run.tuning_files import kept_epoch
from engine.sandbox.pruned_file import filled_bytes, pruned_bytes


def refuse_foreign(settings: Settings, suffix: str) -> None:
    """Raises Refused, before anything is computed, where a B′ would replace somebody else's file."""
    names = [file_names.model_name(suffix=suffix, threshold=each) for each in settings.save_at]
    names += [file_names.model_name(suffix=suffix, step=each) for each in settings.save_steps]
    names += [file_names.tuned_name(suffix=suffix, threshold=each, step=0) for each in settings.tune_at]
    out, recorded = lab.models_folder(settings), journal.recorded_files(lab.runs_folder(settings))
    for name in names:
        refuse_input(settings, out / name)
    foreign = [name for name in names if not settings.overwrite and not ours(out / name, recorded)]
    if foreign:
        raise Foreign(
            f"{', '.join(foreign)}: there already in {escape(str(out))}, and not from a run recorded here.",
            "Choose another folder with --out, or replace them with --overwrite.",
            tuple(foreign),
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
    return os.path.isfile(path) and path.name in recorded and sha256_file(path) in recorded[path.name]


def holds(path: Path, data: bytes) -> bool:
    """Whether these bytes are in place already: saved by a run that ended before it could record it, or by chance."""
    return os.path.isfile(path) and path.stat().st_size == len(data) and sha256_file(path) == sha256(data).hexdigest()


class Saver:
    """Writes the files of one run, and knows whether they are still what was written.

    What the run has saved under which name, the recorder's ledger tells. `recorded` holds, by name, the hashes that
    runs beside this one recorded; `seen` what a file was like when its bytes were last compared.
    """

    def __init__(self, run: Run, recorder: Recorder) -> None:
        self.run, self.recorder = run, recorder
        self.out, self.suffix = lab.models_folder(run.settings), run.inputs.suffix
        self.recorded = journal.recorded_files(run.folder.parent)
        self.seen: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.read = {os.path.realpath(path) for path in paths(run.settings).values()}

    # --- saving ---

    def model(
        self,
        name: str,
        step: int,
        threshold: str | None = None,
        overwrite: bool = False,
        replace: bool = False,
        again: bool = True,
    ) -> bool:
        """Save B′ of a step under `name`, and what G answers there.

        Where the file is somebody else's, or this run's with other channels at zero, it asks instead (`again`: even
        where it has asked about the same before) and returns False. `overwrite` and `replace` are the user's answers.
        """
        run, path = self.run, self.out / name
        refuse_input(run.settings, path)
        pruned = run.session.order[:step]
        data = pruned_bytes(run.inputs.model, run.inputs.layer, pruned)
        about = self.doubt(path, data, frozenset(pruned), overwrite, replace)
        if about is not None:
            if again or not self.recorder.ledger.was_asked(str(path), threshold, frozenset(pruned)):
                text = self.words(path, about, step, threshold)
                self.recorder.emit(Question(about, text, threshold, step, str(path)))
            return False
        self.put(path, data, "model", step, threshold)
        self.answers(run.session.answers[run.session.key(step)], step, threshold)
        return True

    def tuned(
        self,
        name: str,
        tuning: Tuning,
        epoch: int,
        weights: list[np.ndarray],
        answers: np.ndarray,
        overwrite: bool,
        again: bool,
    ) -> bool:
        """Save an epoch of a tuning as B″ under `name`, and what G of B and B″ answers. It may ask, as `model`."""
        path, began, ledger = self.out / name, tuning.began, self.recorder.ledger
        refuse_input(self.run.settings, path)
        data = filled_bytes(self.run.inputs.model, weights)
        what, file = (began.number, epoch), ledger.files.get(str(path))
        other = file is not None and (file.tuning, file.epoch) != what
        about: Literal["replace", "overwrite"] | None = "replace" if other and not overwrite else None
        if not overwrite and not self.run.settings.overwrite and not (self.may_replace(path) or holds(path, data)):
            about = "overwrite"
        if about is not None:
            if again or (str(path), *what) not in ledger.asked_tuned:
                shown = escape(name, 48)
                text = f"{shown} is there already. Replace it by B″, epoch {epoch} of seed {began.seed}?"
                question = Question(
                    about, text, began.threshold, began.step, str(path), tuning=began.number, epoch=epoch
                )
                self.recorder.emit(question)
            return False
        self.put(path, data, "tuned", began.step, began.threshold, began.pruned, *what)
        where = self.run.folder / file_names.tuned_g_name(name)
        self.answers(answers, began.step, began.threshold, began.pruned, where, *what)
        return True

    def doubt(
        self, path: Path, data: bytes, channels: Channels, overwrite: bool, replace: bool
    ) -> Literal["replace", "overwrite"] | None:
        """Why these bytes may not be put at `path` without asking; None where they may."""
        if not overwrite and not self.run.settings.overwrite and not (self.may_replace(path) or holds(path, data)):
            return "overwrite"
        file = self.recorder.ledger.files.get(str(path))
        other = file is not None and file.channels != channels
        return "replace" if other and not overwrite and not replace else None

    def may_replace(self, path: Path) -> bool:
        """Whether nothing is lost at `path` but what a run recorded; under a name that the user chose, this run."""
        own = {path.name: self.recorder.ledger.hashes}
        means = file_names.saved_point(path.name) or file_names.TUNED.fullmatch(path.name)
        return ours(path, self.recorded if means else own)

    def words(self, path: Path, about: str, step: int, threshold: str | None) -> str:
        """A question about `path`, with what would be lost."""
        name, file = escape(path.name, 48), self.recorder.ledger.files.get(str(path))
        if about == "overwrite":
            whose = "a run recorded here" if file_names.saved_point(path.name) else "this run"
            return f"{name} is there already, and not from {whose}. Replace it?"
        again = f"{threshold_label(threshold)} is crossed again, with other channels pruned. " if threshold else ""
        if file is None:
            return f"{again}Save B′ of step {step} as {name}?"
        return f"{again}{name} holds step {file.step}, with other channels at zero. Replace it by step {step}?"

    def worded(self, event: Question) -> Question:
        """The session's question about a threshold, with the file that it is about."""
        path = self.out / file_names.model_name(suffix=self.suffix, threshold=event.threshold)
        text = self.words(path, event.about, event.step or 0, event.threshold)
        return msgspec.structs.replace(event, path=str(path), text=text)

    def answers(
        self,
        b_prime: np.ndarray,
        step: int,
        threshold: str | None,
        pruned: tuple[int, ...] | None = None,
        path: Path | None = None,
        tuning: int | None = None,
        epoch: int | None = None,
    ) -> None:
        """G's answers on the test sets at a step, beside those of B and B′; or of an epoch of a tuning, and B″."""
        run = self.run
        b = run.b_answers
        g = g_answers(b, b_prime, run.inputs.classes)
        second = "B_prime" if tuning is None else "B_tuned"
        sets = {name: run.image_sets[name] for name in ("test", "poisoned") if name in run.image_sets}
        if sets:
            columns: dict[str, dict[str, np.ndarray]] = {
                name: {"label": at.labels, "B": b[at.rows], second: b_prime[at.rows], "G": g[at.rows]}
                for name, at in sets.items()
            }
            path = path or run.folder / file_names.g_name(threshold=threshold, step=step)
            data = answers_file(columns, self.oracle(pruned))
            self.put(path, data, "answers", step, threshold, pruned, tuning, epoch)

    def oracle(self, pruned: tuple[int, ...] | None) -> str:
        """The name of the order that pruned these channels, or of the run's now, where it looked at poisoned images."""
        settings, now = self.run.settings, self.run.session.order_by
        taken = now if pruned is None else self.recorder.ledger.orders.get(frozenset(pruned), now)
        name = taken or ("" if settings.order else settings.order_by)
        return name if name and method_of(name).oracle else ""

    def results(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Write result files into the run folder; returns their paths."""
        return [self.put(self.run.folder / name, data, name) for name, data in files]

    def put(
        self,
        path: Path,
        data: bytes,
        what: str,
        step: int | None = None,
        threshold: str | None = None,
        pruned: tuple[int, ...] | None = None,
        tuning: int | None = None,
        epoch: int | None = None,
    ) -> str:
        digest, same = sha256(data).hexdigest(), holds(path, data)
        if not same:
            with self.recorder.writing:
                write_atomically(path, data)
        self.recorded.setdefault(path.name, set()).add(digest)
        status: Literal["written", "unchanged"] = "unchanged" if same else "written"
        self.recorder.emit(Saved(what, str(path), digest, status, step, threshold, pruned, tuning, epoch))
        return str(path)

    # --- what is on disk ---

    def kept(self, step: int, threshold: str | None) -> bool:
        """Whether B′ of a step of the current order, and what G answers there, are saved where they belong."""
        channels, ledger = frozenset(self.run.session.order[:step]), self.recorder.ledger
        paths = [self.out / file_names.model_name(suffix=self.suffix, threshold=threshold, step=step)]
        if {"test", "poisoned"} & set(self.run.inputs.sets):
            paths.append(self.run.folder / file_names.g_name(threshold=threshold, step=step))
        return all(ledger.holds(str(path), channels) for path in paths)

    def changed(self) -> list[FileChanged]:
        """The saved files that are gone from the disk, or hold something else by now."""
        files = self.recorder.ledger.files.values()
        return [FileChanged(file.path, found) for file in files if (found := self.change(file)) is not None]

    def change(self, file: File) -> Literal["gone", "changed"] | None:
        """What has become of a saved file; None where it is as it was saved."""
        path = self.place(file)
        try:
            if path is None or not os.path.isfile(path):
                return "gone"
            look = path.stat()
            signs = (look.st_ino, look.st_size, look.st_mtime_ns, look.st_ctime_ns)
            if self.seen.get(file.path) != (file.sha256, signs):
                if sha256_file(path) != file.sha256:
                    return "changed"
                self.seen[file.path] = file.sha256, signs
        except FileNotFoundError:
            return "gone"
        except OSError:
            return "changed"
        return None

    def place(self, file: File) -> Path | None:
        """Where this run would write a file; None where its journal names another place, which is not looked at."""
        name = file.path.rpartition("/")[2]
        path: Path | None
        if file.step is None:
            path = self.run.folder / (name if name == file.what in RESULT_FILES else "")
        elif file.what == "answers" and file.tuning is not None:
            path = self.run.folder / name if name.startswith("g_tuned_") else None
        elif file.what == "answers":
            path = self.run.folder / file_names.g_name(threshold=file.threshold, step=file.step)
        else:
            path = self.out / name
        return path if path is not None and str(path) == file.path and os.path.realpath(path) not in self.read else None

    def check(self) -> bool:
        """Notice what is gone or changed, and make networks and answers again; a stranger's file is asked about.

        Returns whether result files have to be written again.
        """
        ledger = self.recorder.ledger
        files, events = ledger.files, self.changed()
        for event in events:
            self.recorder.emit(event)
        for event in events:
            self.make_again(files[event.path])
        return any(files[event.path].step is None for event in events)

    def make_again(self, file: File) -> None:
        """Write a network, or G's answers, as it was saved."""
        run, path = self.run, self.place(file)
        if path is None or file.step is None:
            return
        if file.tuning is not None:
            return self.make_tuned_again(path, file)
        current = file.pruned == run.session.order[: file.step]
        pruned = None if current else file.pruned
        key = run.session.key_of(file.pruned)
        if file.what == "answers" and key in run.session.answers:
            self.answers(run.session.answers[key], file.step, file.threshold, pruned)
        elif file.what == "model":
            self.make_model_again(path, file, pruned)

    def make_tuned_again(self, path: Path, file: File) -> None:
        """Write B″, or the answers of its G, as it was saved; nothing where its epoch is gone."""
        found = kept_epoch(self.run, file.tuning or 0, file.epoch or 0)
        what = (file.tuning, file.epoch)
        if found is None or file.step is None:
            return
        if file.what == "answers":
            return self.answers(found[1], file.step, file.threshold, file.pruned, path, *what)
        data = filled_bytes(self.run.inputs.model, found[0])
        own = ours(path, {path.name: self.recorder.ledger.hashes}) or holds(path, data) or self.run.settings.overwrite
        if own:
            self.put(path, data, "tuned", file.step, file.threshold, file.pruned, *what)
        elif (str(path), *what) not in self.recorder.ledger.asked_tuned:
            text = f"{escape(path.name, 48)} is not what this run saved there any more. Replace what is there now?"
            self.recorder.emit(
                Question("overwrite", text, file.threshold, file.step, str(path), tuning=file.tuning, epoch=file.epoch)
            )

    def make_model_again(self, path: Path, file: File, pruned: tuple[int, ...] | None) -> None:
        data, ledger = pruned_bytes(self.run.inputs.model, self.run.inputs.layer, file.pruned), self.recorder.ledger
        own = ours(path, {path.name: ledger.hashes}) or holds(path, data) or self.run.settings.overwrite
        if own:
            self.put(path, data, "model", file.step, file.threshold, pruned)
        elif pruned is None and not ledger.was_asked(str(path), None, file.channels):
            text = f"{escape(path.name, 48)} is not what this run saved there any more. Replace what is there now?"
            self.recorder.emit(Question("overwrite", text, file.threshold, file.step, str(path)))
