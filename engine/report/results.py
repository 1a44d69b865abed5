"""results.csv and results.json: B, and B' and G at every saved step."""

import json
from typing import Any

import msgspec

from engine.api import protocol as p
from engine.report.figures import RATES, Row, compares, differences, published_rate, rate, rows
from engine.report.record import RunRecord
from engine.report.table import csv_text
from engine.report.verdict import verdict

HEAD = ("network", "threshold", "step", "file", "clean_valid_drop", *RATES)


def results_csv(record: RunRecord) -> bytes:
    """A row a network. Published values have columns of their own where the inputs are the lab's."""
    beside = compares(record)
    header = (*HEAD, *(f"published_{title}" for title in RATES if beside), "channels")
    return csv_text(header, (results_row(record, row, beside) for row in rows(record)))


def results_row(record: RunRecord, row: Row, beside: bool) -> list[object]:
    saved = row.saved
    own = {title: rate(record, row.counts, column) for title, column in row.columns.items()}
    theirs = {title: published_rate(record, row, column) for title, column in row.columns.items()} if beside else {}
    drop = None if row.network == "G" else record.drop(row.counts)
    head = [row.network, None, row.step, record.opened.model.name, drop]
    if saved:
        threshold = None if saved.threshold is None else Number(saved.threshold)
        head = [row.network, threshold, row.step, saved.file, drop]
    shown = [own.get(title) for title in RATES] + [theirs.get(title) for title in RATES if beside]
    return [*head, *shown, " ".join(map(str, saved.pruned)) if saved else None]


class Number(str):
    """A decimal kept as the user wrote it."""


def results_json(record: RunRecord) -> bytes:
    """The whole run for programs: settings, inputs, versions, device, seconds, curve counts, saved networks."""
    opened, began = record.opened, record.began
    whole: dict[str, Any] = {
        "settings": msgspec.to_builtins(began.settings),
        "started": began.started,
        "versions": began.versions,
        "backend": opened.backend,
        "device": opened.device,
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
        "order_given": record.ranked.given,
        "mean_activation": record.ranked.means,
        "active_valid": record.ranked.active_valid,
        "active_poisoned": record.ranked.active_poisoned,
        "thresholds": {threshold: record.first_reached(threshold) for threshold in record.thresholds},
        "curve": [curve_entry(record, step, counts) for step, counts in enumerate(record.steps)],
        "saved": [saved_entry(record, row) for row in rows(record)],
        "published_differences": differences(record) if compares(record) else None,
        "verdict": verdict(record),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


def curve_entry(record: RunRecord, step: int, counts: p.Counts) -> dict[str, Any]:
    """A step as image counts."""
    channel = record.order[step - 1] if step else None
    return {"step": step, "channel": channel, "drop": record.drop(counts), **msgspec.to_builtins(counts)}


def saved_entry(record: RunRecord, row: Row) -> dict[str, Any]:
    saved = row.saved
    entry: dict[str, Any] = {"network": row.network, "step": row.step}
    if saved:
        entry |= {"threshold": saved.threshold, "path": saved.path, "sha256": saved.sha256, "pruned": saved.pruned}
    for title, column in row.columns.items():
        entry[title] = rate(record, row.counts, column)
        if (theirs := published_rate(record, row, column)) is not None:
            entry[f"published_{title}"] = theirs
    return entry
