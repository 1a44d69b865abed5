"""The files results.csv and results.json: B, and B' and G at every saved step."""

import json
from typing import Any

import msgspec

from engine.api import explanation
from engine.api import protocol as p
from engine.api.order_figures import summary
from engine.api.orders import method_of
from engine.api.tunings import Tuning
from engine.report import certainty
from engine.report.csv_table import csv_text
from engine.report.differences import differences
from engine.report.explanation import findings
from engine.report.figures import RATES, Row, compares, oracle_cells, published_rate, published_step, rate, rows
from engine.report.run_record import RunRecord
from engine.report.tuning import holdout
from engine.report.verdict import verdict

HEAD = ("network", "threshold", "step", "channels", "file", "clean_valid_drop", *RATES)
UNPUBLISHED = ("poisoned_test_detection_rate", "clean_test_false_alarm_rate")
BESIDE = tuple(title for title in RATES if title not in UNPUBLISHED)


def results_csv(record: RunRecord) -> bytes:
    """A row a network: how many channels are pruned, and which; then how sure that is. Rates are in percent.

    Published values have columns of their own where the inputs are the lab's, and an oracle's order has one.
    """
    beside = ("published_step", *(f"published_{title}" for title in BESIDE)) if compares(record) else ()
    last = ("oracle",) if record.oracles else ()
    tuned = ("clean_holdout_accuracy", "seed", "epoch") if record.tuned else ()
    columns = (*HEAD, *beside, "pruned", *certainty.COLUMNS, *last, *tuned)
    return csv_text(columns, (results_row(record, row) for row in rows(record)))


def results_row(record: RunRecord, row: Row) -> list[object]:
    drop = record.drop(row.counts) if row.has_drop else None
    own = [_rate(record, row, title) for title in RATES]
    pruned = " ".join(map(str, row.pruned)) or None
    return [
        row.network,
        row.threshold,
        row.step,
        row.step,
        file_of(record, row),
        drop,
        *own,
        *_beside(record, row),
        pruned,
        *certainty.cells(record, row),
        *oracle_cells(record, row),
        *tuned_cells(record, row),
    ]


def tuned_cells(record: RunRecord, row: Row) -> list[object]:
    """The cells that a row has more where something was tuned: B″ on its held-out images, its seed and its epoch."""
    if not record.tuned:
        return []
    if row.tuned is None:
        return [None, None, None]
    tuning = row.tuned.tuning
    accuracy = None if row.is_g else holdout(tuning, row.tuned.counts)
    return [accuracy, tuning.began.seed, row.tuned.epoch]


def file_of(record: RunRecord, row: Row) -> str | None:
    """The file that holds a network; for G, its answers."""
    if row.tuned is not None:
        return row.tuned.answers if row.is_g else row.tuned.file
    if row.saved is None:
        return record.opened.model.name
    return row.saved.answers if row.network == "G" else row.saved.file


def _rate(record: RunRecord, row: Row, title: str) -> float | None:
    return rate(record, row.counts, row.columns[title]) if title in row.columns else None


def _beside(record: RunRecord, row: Row) -> list[object]:
    """What was published for a row; nothing at all where it does not apply to the run."""
    if not compares(record):
        return []
    theirs = [published_rate(record, row, row.columns[title]) if title in row.columns else None for title in BESIDE]
    return [published_step(record, row), *theirs]


def results_json(record: RunRecord) -> bytes:
    """The whole run for programs: settings, inputs, versions, device, seconds, curve counts, saved networks."""
    opened, began = record.opened, record.began
    whole: dict[str, Any] = {
        "settings": msgspec.to_builtins(began.settings),
        "started": began.started,
        "versions": began.versions,
        "backend": opened.backend,
        "device": opened.device,
        "device_memory": opened.device_memory,
        "seconds": record.seconds,
        "model": msgspec.to_builtins(opened.model),
        "sets": msgspec.to_builtins(opened.sets),
        "sha256": began.sha256,
        "layer": opened.layer,
        "ranking_feature": opened.feature,
        "channels": opened.channels,
        "classes": opened.classes,
        "target": opened.target,
        "order": record.order,
        "order_given": not record.order_by,
        "order_by": record.order_by or None,
        "order_looks_at": method_of(record.order_by).looks_at if record.order_by else None,
        "oracle": bool(record.oracles),
        "order_scores": record.ranked.scores,
        "mean_activation": record.ranked.means,
        "active_valid": record.ranked.active_valid,
        "active_poisoned": record.ranked.active_poisoned,
        "thresholds": {threshold: record.first_reached(threshold) for threshold in record.thresholds},
        "curve": [curve_entry(record, step, counts) for step, counts in record.steps.items()],
        "orders": [order_entry(record, compared) for compared in record.compared],
        **({"tunings": [tuning_entry(tuning) for tuning in record.tunings]} if record.tunings else {}),
        "saved": [saved_entry(record, row) for row in rows(record)],
        "trigger": msgspec.to_builtins(record.analysed.trigger) if record.analysed else None,
        "trigger_told": certainty.trigger_told(record),
        "threshold_steps": msgspec.to_builtins(record.analysed.ranges) if record.analysed else [],
        "published_differences": differences(record) if compares(record) else None,
        "verdict": verdict(record),
    }
    if found := findings(record):
        whole["diagnosis"] = {"verdict": explanation.verdict(found).name, "file": "diagnosis.json"}
    return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


def curve_entry(record: RunRecord, step: int, counts: p.Counts) -> dict[str, Any]:
    """A step as image counts."""
    channel = record.order[step - 1] if step else None
    return {"step": step, "channel": channel, "drop": record.drop(counts), **msgspec.to_builtins(counts)}


def order_entry(record: RunRecord, compared: p.Compared) -> dict[str, Any]:
    """An order that was compared: what it looks at, its channels, and how good it is."""
    images = {name: info.images for name, info in record.opened.sets.items()}
    found = summary(compared, images)
    entry: dict[str, Any] = {"name": compared.name, "looks_at": compared.looks_at, "order": compared.order}
    entry["score"] = found.score
    entry["asr_under"] = {str(at.percent): at._asdict() for at in found.under}
    entry["channels_within_points"] = found.within
    if compared.chosen is not None:
        entry["published_set"] = {"channels": compared.chosen, **msgspec.to_builtins(compared.chosen_counts)}
    return entry


def tuning_entry(tuning: Tuning) -> dict[str, Any]:
    """A tuning with its recipe, and every epoch as image counts."""
    entry: dict[str, Any] = msgspec.to_builtins(tuning.began)
    entry.pop("event")
    epochs = [{"epoch": at.epoch, "loss": at.loss, **msgspec.to_builtins(at.counts)} for at in tuning.epochs]
    return entry | {"kept": tuning.kept, "epochs": epochs}


def saved_entry(record: RunRecord, row: Row) -> dict[str, Any]:
    """A network with its rates in percent, and where it lies: B and B′ as a model, G as its answers."""
    entry: dict[str, Any] = {"network": row.network, "step": row.step, "file": file_of(record, row)}
    if row.saved:
        entry |= {"threshold": row.saved.threshold, "pruned": row.saved.pruned}
    if row.saved and row.saved.oracle:
        entry["oracle"] = row.saved.oracle
    if row.tuned:
        began = row.tuned.tuning.began
        entry |= {
            "threshold": began.threshold,
            "pruned": began.pruned,
            "tuning": began.number,
            "epoch": row.tuned.epoch,
        }
    if (file := row.tuned or row.saved) and not row.is_g:
        entry |= {"path": file.path, "sha256": file.sha256}
    for title, column in row.columns.items():
        entry[title] = rate(record, row.counts, column)
        if (theirs := published_rate(record, row, column)) is not None:
            entry[f"published_{title}"] = theirs
    return entry | {
        title: value
        for title, value in zip(certainty.COLUMNS, certainty.cells(record, row), strict=True)
        if value is not None
    }
