"""The file results.tex: the results table of report.md for a paper, a plain tabular."""

import re

from engine.api.orders import ORACLE
from engine.api.protocol import format_drop
from engine.report.certainty import effectiveness, robust
from engine.report.figures import RATES, rate, rows
from engine.report.markdown import TITLES, when
from engine.report.run_record import RunRecord

SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "′": "$'$", "−": "$-$"}


def results_tex(record: RunRecord) -> bytes:
    """B, then B′ and G of each saved step, rates in percent; a column that nothing fills is left out."""
    header = ["network", "saved at", "step", "drop (pt)", *(TITLES[title] for title in RATES), "RA, test", "DER"]
    lines = []
    for row in rows(record):
        columns = [row.columns.get(title) for title in RATES]
        rates = [None if column is None else rate(record, row.counts, column) for column in columns]
        drop, proven = (record.drop(row.counts) if row.has_drop else None), robust(record, row)
        der = effectiveness(record, row)
        head = [row.network, when(row), str(row.step)]
        cells = ["" if drop is None else format_drop(drop).replace("-", "−")]
        cells += [_cell(value) for value in (*rates, proven[0] if proven else None)]
        lines.append([*head, *cells, "" if der is None else f"{der:.4f}"])
    kept = [at for at in range(len(header)) if at < 4 or any(line[at] for line in lines)]
    table = [[line[at] for at in kept] for line in (header, *lines)]
    return (warning(record) + tabular(table)).encode()


def warning(record: RunRecord) -> str:
    """A line above the table, where an order looked at poisoned images."""
    names = " and ".join(rf"\texttt{{{escaped(name)}}}" for name in record.oracles)
    return f"Order by {names}, an {ORACLE}.\n\n" if names else ""


def tabular(table: list[list[str]]) -> str:
    """A header and its lines; the first two columns to the left, all others to the right."""
    head, *body = [" & ".join(map(escaped, line)) + r" \\" for line in table]
    columns = "ll" + "r" * (len(table[0]) - 2)
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([begin, r"\hline", head, r"\hline", *body, r"\hline", end, ""])


def escaped(text: str) -> str:
    """Text that LaTeX shows as it is."""
    return re.sub(r"[\\{}$&#^_~%′−]", lambda found: SPECIAL.get(found[0], "\\" + found[0]), text)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
