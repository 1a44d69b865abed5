"""The report as PDF: what of report.md is on its pages, and the same bytes each time."""

import os
import subprocess
import sys
from pathlib import Path

from engine.report import record
from engine.report.markdown import report_md
from engine.report.pdf import blocks, cells, curve_pdf, plain, report_pdf
from tests.support.journals import lab_run

SCRIPT = """
import hashlib
from engine.report import record
from engine.report.pdf import curve_pdf, report_pdf
from tests.support.journals import lab_run
found = record(lab_run().events())
print(hashlib.sha256(report_pdf(found) + curve_pdf(found)).hexdigest())
"""


def test_markdown_is_taken_apart() -> None:
    found = blocks(report_md(record(lab_run().events())).decode())
    kinds = [block.kind for block in found]
    assert kinds[:3] == ["heading", "bold", "picture"]
    assert {"heading", "bold", "picture", "text", "table", "item"} == set(kinds)
    assert [block.text for block in found if block.kind == "heading"][:3] == [
        "Pruning conv_3 of bd_net.h5", "Results", "Thresholds",
    ]  # fmt: skip
    tables = [block for block in found if block.kind == "table"]
    assert tables[0].rows[0][:4] == ("network", "saved at", "step", "drop (pt)")
    assert tables[0].rows[1][0] == "B" and len(tables[0].rows) == 1 + 9
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.numbers)}


def test_marks_are_taken_off_and_what_was_escaped_is_as_it_is() -> None:
    assert (
        plain("**B′** is `a*b` with \\*stars\\* and *step* [Fine](http://x)") == "B′ is a*b with *stars* and step Fine"
    )
    assert cells("| a | `b\\|c` |  |") == ["a", "`b\\|c`", ""]
    assert plain("`b\\|c`") == "b|c"


def test_a_pdf_has_pages_and_the_same_bytes_whatever_the_hash_seed() -> None:
    found = record(lab_run().events())
    report, curve = report_pdf(found), curve_pdf(found)
    assert report.startswith(b"%PDF") and report.count(b"/Type /Page ") >= 2 and curve.count(b"/Type /Page ") == 1
    assert b"CreationDate" not in report
    root = Path(__file__).parents[2]
    told = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
