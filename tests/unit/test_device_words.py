"""What a user reads of a card: in the header, in the report, in refusals, and in a note on close channels."""

import msgspec
import numpy as np
import pytest

from engine import report
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.network import backend
from engine.orders.compute_order import nearly_equal, order_of
from engine.report.markdown import report_md
from tests.support.engine_stub import opened
from tests.unit.test_report import SMALL
from tui.screens.header import card

CARD = "NVIDIA H100 80GB HBM3"


def on_card(memory: int) -> p.Opened:
    return msgspec.structs.replace(opened(), device=CARD, device_memory=memory)


@pytest.mark.parametrize(
    ("width", "memory", "shown"),
    [
        (80, 610_000_000, "H100 80GB HBM3"),
        (120, 610_000_000, "NVIDIA H100 80GB HBM3 0.6 GB used"),
        (200, 610_000_000, "NVIDIA H100 80GB HBM3 0.6 GB used"),
        (80, 0, CARD),
    ],
)
def test_the_header_names_the_card_and_its_memory(width: int, memory: int, shown: str) -> None:
    assert card(on_card(memory), width) == shown


@pytest.mark.parametrize(
    ("scores", "close"),
    [
        ([0.0, 0.0, 0.0, 1.0], None),  # equal ones go by their numbers, everywhere
        ([3.0, 1.0, 1.0000001, 2.0], (1, 2)),
        ([3.0, 1.0, 1.00001, 2.0], None),
        ([-1.0000001, -1.0, 5.0], (0, 1)),
    ],
)
def test_channels_that_another_device_may_swap_are_found(scores: list[float], close: tuple[int, int] | None) -> None:
    found = np.array(scores)
    assert nearly_equal(found, order_of("mean", found)) == close


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4 bytes."), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error: Exception, full: bool) -> None:
    assert backend.out_of_memory(error) == full


def test_a_full_card_is_a_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "device_name", lambda: CARD)
    assert str(backend.no_memory()) == (
        f"{CARD}: has no memory left. Free some of what others use, or compute with --device cpu."
    )
    assert isinstance(backend.no_memory(), Refused)


@pytest.mark.parametrize("memory", [0, 610_000_000])
def test_the_report_names_what_computed_and_is_the_same_every_time(memory: int) -> None:
    events = [
        msgspec.structs.replace(event, device="plain", device_memory=memory) if isinstance(event, p.Opened) else event
        for event in SMALL.events()
    ]
    text = report_md(report.record(events)).decode()
    assert "on plain." in text
