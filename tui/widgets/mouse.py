"""Where in a view the mouse is."""

from textual.events import MouseEvent
from textual.widget import Widget

WHEEL = 3  # rows that a notch of the wheel moves


def place(event: MouseEvent, widget: Widget) -> tuple[int, int] | None:
    """Column and row in the content of a widget, without its frame; None on the frame."""
    offset = event.get_content_offset(widget)
    return None if offset is None else (offset.x, offset.y)
