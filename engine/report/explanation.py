"""The files diagnosis.json and detectors.csv, what roc.png shows, and the report's answer: why it works or fails."""

import json
from typing import Any

import msgspec

from engine.api import explanation
from engine.api import protocol as p
from engine.api.explanation import Findings
from engine.report.csv_table import csv_text, markdown, plain
from engine.report.plot import Roc, RocCurve
from engine.report.run_record import RunRecord

COLUMNS = (
    "detector",
    "area",
    "area_low",
    "area_high",
    "detected_at_1",
    "false_alarms_at_1",
    "detected_at_5",
    "false_alarms_at_5",
    "valid_images",
    "clean_test_images",
    "poisoned_test_images",
)
QUESTION = "Does the defence work here, and why (not)?"


def findings(record: RunRecord) -> Findings | None:
    """What was found of a run's network; None where nobody has looked."""
    if record.diagnosed is None:
        return None
    images = {name: info.images for name, info in record.opened.sets.items()}
    opened = record.opened
    return Findings(record.diagnosed, images, opened.layer, opened.target, record.layers_pruned, record.detected)


def diagnosis_json(found: Findings) -> bytes:
    """Verdict, evidence and doubts as sentences, then every number they are made from."""
    at, verdict = found.diagnosed, explanation.verdict(found)
    whole: dict[str, Any] = {
        "verdict": verdict.name,
        "meaning": verdict.meaning,
        "evidence": verdict.evidence,
        "doubt": verdict.doubt,
        "hint": explanation.stimulation_told(found),
        "layer": found.layer,
        "oracle": at.activation_change is not None,
        "images": dict(found.images),
        "dormant": {"clean": at.dormant, "poisoned": at.dormant_poisoned},
        "clean_mean": at.clean_mean,
        "activation_change": at.activation_change,
        "activation_change_against": at.clean,
        "sample": at.sample,
        "base": msgspec.to_builtins(at.base),
        "knock_out": [{"channel": c, "valid": k.valid, "asr": k.poisoned} for c, k in enumerate(at.knock_out)],
        "stimulation": [
            {"channel": s.channel, "factor": s.factor, "rows": s.rows, "class": s.winner, "share": s.share}
            for s in at.stimulation.found
        ],
        "stimulation_level": at.stimulation.level,
        "stimulation_images": at.stimulation.images,
        "phases": explanation.phases(found)._asdict(),
        "order": at.order,
        "curve": [msgspec.to_builtins(counts) for counts in at.curve],
        "layers": [msgspec.to_builtins(each) for each in found.layers.layers] if found.layers else None,
        "layers_sample": found.layers.sample if found.layers else None,
        "layers_left_out": found.layers.left_out if found.layers else None,
        "components": msgspec.to_builtins(at.components) if at.components else None,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


def detectors_csv(detected: p.Detected) -> bytes:
    """A row a detector: area as a fraction, rates in percent at 1 and 5 % false alarms as set on validation."""
    return csv_text(COLUMNS, (detector_row(at) for at in detected.detectors))


def detector_row(at: p.Detector) -> list[object]:
    _, test, poisoned = at.images
    rates = [
        rate
        for hits, alarms in zip(at.detected, at.false_alarms, strict=True)
        for rate in (p.percent(hits, poisoned), p.percent(alarms, test))
    ]
    return [at.name, at.area, at.area_low, at.area_high, *rates, *at.images]


def roc_of(record: RunRecord, detected: p.Detected) -> Roc:
    title = f"Detectors on {record.opened.model.name}"
    return Roc(title, tuple(RocCurve(at.name, at.area, at.roc) for at in detected.detectors))


def answer_section(record: RunRecord) -> list[str]:
    """The end of the report: the answer, written from the findings; nothing where there are none."""
    found = findings(record)
    if found is None:
        return []
    parts = [f"## {QUESTION}", *map(plain, explanation.answer(found))]
    if found.detected is not None:
        parts += [detectors_table(found.detected), PICTURE]
    return [*parts, SOURCES]


PICTURE = "![ROC of the detectors: poisoned test images flagged over clean test images flagged](roc.png)"
SOURCES = """\
Everything but the dormant channels on clean images and the driven channels looks at poisoned images, which no defender
has: it explains, and decides nothing. Every number is in `diagnosis.json`."""


def detectors_table(detected: p.Detected) -> str:
    header = [
        "detector",
        "area (95 %)",
        "at 1 %: detected",
        "false alarms",
        "at 5 %: detected",
        "false alarms",
        "images",
    ]
    return markdown(header, (_line(at) for at in detected.detectors))


def _line(at: p.Detector) -> list[str]:
    _, area, low, high, *rates = detector_row(at)[:8]
    images = " + ".join(f"{count:,}" for count in at.images)
    return [at.name, f"{area:.3f} ({low:.3f} to {high:.3f})", *(f"{rate:.1f}" for rate in rates), images]
