"""The command that packs what is handed in: results, report, networks and answers of a run, after a self-check."""

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from engine import report
from engine.api import journal, lab
from engine.api import protocol as p
from engine.api.atomic_file import write_atomically
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.file_safety.limits import MODEL_FILE_BYTES
from engine.file_safety.open_source import Source, open_source
from engine.network import backend
from engine.report.bundle import check_page, sums, zip_file
from engine.report.figures import OF_G, OF_NETWORK, OF_TUNED, as_counts
from engine.report.pdf import curve_pdf, report_pdf
from engine.report.run_record import RunRecord
from engine.run.inputs import paths

if TYPE_CHECKING:
    from engine.analysis.network_check import Claim
    from engine.server.commands import Service

NAME = "hand-in.zip"
AGAIN = "Open the run: it is made again."
# what a report tells of
TELLING = (p.Stepped, p.Reordered, p.SaveMeasured, p.Thresholds, p.Tuned, p.Compared, p.Diagnosed, p.Detected)


class HandIn:
    """Packs a run that `service` has open, or one that is named. Only what the run itself wrote goes in."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.used = ExitStack()

    def carry_out(self, command: p.HandIn) -> None:
        """Check every network, then write the zip. Raises Refused, and then nothing is written."""
        run = Path(command.run)
        if self.service.state is not None and self.service.recorder.journal is not None and self.stale():
            self.service.export(p.Export())
        target = Path(command.to) if command.to else run / NAME
        if os.path.exists(target) and command.to and not command.overwrite:
            raise Refused(f"{escape(target.name, SHORT)}: is there already. Name another with --to, or --overwrite.")
        with self.used:
            record = report.record(journal.read(run))
            files, checks = self.contents(run, record)
            data = zip_file(files, escape(run.name, 2 * SHORT))
            with self.service.recorder.writing:
                write_atomically(target, data)
        self.service.emit(
            p.HandedIn(str(target), hashlib.sha256(data).hexdigest(), len(data), tuple(sorted(files)), tuple(checks))
        )

    def stale(self) -> bool:
        """Whether something has come to the open run since its report was written."""
        events = self.service.recorder.events
        written = [at for at, event in enumerate(events) if isinstance(event, p.Saved) and event.what == "report.md"]
        return not written or any(isinstance(event, TELLING) for event in events[written[-1] :])

    def contents(self, run: Path, record: RunRecord) -> tuple[dict[str, bytes], list[p.NetworkCheck]]:
        """Every file by its name in the zip, and what the self-check found."""
        follow = journal.begun_here(run)
        claims, networks = self.networks(record, follow)
        checks = self.check(record, claims, networks, follow)
        files = dict(report.files(record, self.service.painter))
        files |= {"report.pdf": report_pdf(record), "curve.pdf": curve_pdf(record), "check.txt": check_page(checks)}
        files |= {
            f"models/{path.name}": networks[path].read(MODEL_FILE_BYTES) for path in (at.path for at in claims[1:])
        }
        files |= self.answers(run, record)
        return files | {"SHA256SUMS": sums(files)}, checks

    # --- networks and answers ---

    def networks(self, record: RunRecord, follow: bool) -> tuple[list["Claim"], dict[Path, Source]]:
        """What the results say of each network, B first, and its file, which still is the one that was recorded."""
        from engine.analysis.network_check import Claim

        settings = record.began.settings
        claims = [Claim("B", Path(settings.model), (), shown(record.base, OF_NETWORK, OF_G, g=False))]
        hashes = {Path(settings.model): record.began.sha256.get("model", "")}
        for saved in record.saved:
            path = self.own_place(record, saved.path)
            claims.append(Claim("B′", path, saved.pruned, shown(saved.counts, OF_NETWORK, OF_G)))
            hashes[path] = saved.sha256
        for tuned in record.tuned:
            path, pruned = self.own_place(record, tuned.path), tuned.tuning.began.pruned
            claims.append(Claim("B″", path, pruned, shown(as_counts(tuned.counts), OF_TUNED, OF_G)))
            hashes[path] = tuned.sha256
        if len(claims) == 1:
            raise Refused("No network is saved in this run yet, so there is nothing to hand in. Prune to a threshold.")
        return claims, {path: self.opened(path, digest, follow) for path, digest in hashes.items()}

    def own_place(self, record: RunRecord, path: str) -> Path:
        """Where this run saves a network. Raises Refused for a journal that names another place."""
        place = lab.models_folder(record.began.settings) / Path(path).name
        if str(place) != path:
            raise Refused(f"{escape(Path(path).name, SHORT)}: lies elsewhere than this run saves. Start a new run.")
        return place

    def answers(self, run: Path, record: RunRecord) -> dict[str, bytes]:
        """What G answers, as the run saved it."""
        recorded = {Path(event.path).name: event.sha256 for event in journal.events(run) if is_answers(event)}
        names = [each for each in (*(at.answers for at in record.saved), *(at.answers for at in record.tuned)) if each]
        return {name: self.opened(run / name, recorded.get(name, ""), False).read(2**32) for name in names}

    def opened(self, path: Path, digest: str, follow: bool) -> Source:
        """A file that holds what was recorded. Raises Refused."""
        source = open_source(path, follow=follow)
        self.used.callback(source.close)
        if source.hash(self.service.check) != digest:
            raise Refused(f"{escape(path.name, SHORT)}: is not what this run recorded (SHA-256 differs). {AGAIN}")
        return source

    # --- the self-check ---

    def check(
        self, record: RunRecord, claims: list["Claim"], networks: Mapping[Path, Source], follow: bool
    ) -> list[p.NetworkCheck]:
        settings = record.began.settings
        backend.configure(settings.device)
        backend.load(settings.device)
        from engine.analysis.network_check import checked

        begin, found = time.perf_counter(), paths(settings)
        there = [name for name in p.SETS if name in found and name in record.opened.sets]
        sets = {name: self.opened(found[name], record.began.sha256.get(name, ""), follow) for name in there}

        def progress(name: str, done: int, total: int) -> None:
            self.service.check()
            if done < total:  # the end of a phase goes into the journal, and into the results
                self.service.emit(p.Progress("hand in", done, total, time.perf_counter() - begin, name))

        return checked(claims, networks, settings.layer, sets, settings.scale, self.note_smaller, progress)

    def note_smaller(self, size: int) -> None:
        self.service.emit(p.Note(backend.smaller_batches(size)))


def is_answers(event: p.AnyEvent) -> TypeGuard[p.Saved]:
    return isinstance(event, p.Saved) and event.what == "answers"


def shown(counts: p.Counts, own: Mapping[str, str], of_g: Mapping[str, str], g: bool = True) -> dict[str, int]:
    """The hits that the results show of a network, and of G made of B and it."""
    columns = [*own.values(), *(of_g.values() if g else ())]
    return {column: hits for column in columns if (hits := getattr(counts, column)) is not None}
