"""A channel: where in the image, and on which images, it is active, and what pruning it alone would cost."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.strip import Strip
from textual.widget import Widget

from engine.api.protocol import ChannelView, Ranked, ShowChannel
from tui.model.actions import bindings
from tui.model.formatting import EMPTY, alone, rate
from tui.model.run_state import RunState, images
from tui.screens.channel_maps import Patch, averaged, pictures, sparks
from tui.screens.run_screen import RunScreen
from tui.widgets.cell_rows import Part, Row, blank, row
from tui.widgets.half_blocks import Depth
from tui.widgets.rows_view import RowsView, css_beside

SHADES = "░▒▓█"  # where there are not colours enough for a heat map; nothing at all is blank
FADES = "   (bars: as it fades from 100 to 0 %)"
SPARE = 14  # rows from which a blank one parts the figures from the header
WIDEST = 8  # cells of one position of the map


class ChannelPage(RowsView):
    """Figures of the channel, then its two maps side by side on one scale."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._state, self._channel = RunState(), 0
        self._patches: dict[int, list[Patch]] = {}

    def show(self, state: RunState, channel: int) -> None:
        same = state.view is self._state.view and channel == self._channel
        self._state, self._channel = state, channel
        self.redraw()
        if not same:
            self.refresh()

    @property
    def depth(self) -> Depth:
        system = self.app.console.color_system
        return "16" if system in ("standard", "windows") else "256" if system == "256" else "truecolor"

    def render_line(self, y: int) -> Strip:
        line = super().render_line(y)
        for patch in self._patches.get(y, ()):
            end = patch.x + patch.strip.cell_length
            strip = patch.strip.apply_style(self.rich_style)
            line = Strip.join([line.crop(0, patch.x), strip, line.crop(end)])
        return line

    def draw(self, width: int, height: int) -> Sequence[Row]:
        self._patches = {}
        facts = channel_facts(self._state, self._channel, width)
        facts = [blank(width), *facts] if height >= SPARE else facts
        view = self._state.view
        if view is None or view.channel != self._channel:
            busy = self._state.computing
            text = "The engine is pruning; it answers when it pauses (r)." if busy else "Asking the engine …"
            return [*facts, blank(width), row(width, (f"  {text}", "d"))]
        cost = _cost(self._state, view, width)
        above = [*facts, *cost, blank(width)]
        room = height - len(above)
        if self.app.native_ansi_color or self.depth == "16":
            return [*above, *maps(view, width, room)]
        page = pictures(view, width, room, self.depth)
        for patch in page.patches:
            self._patches.setdefault(len(above) + patch.y, []).append(patch)
        return [*above, *page.rows]


def channel_facts(state: RunState, channel: int, width: int) -> list[Row]:
    """Rank, mean and state, and the shares of images on which the channel is active."""
    ranked = state.ranked
    if ranked is None:
        return []
    rank = state.order.index(channel) + 1 if channel in state.order else None
    fate = f"pruned at step {rank}" if channel in state.pruned else "not pruned"
    clean = _share(ranked.active_valid[channel], images(state, "valid"))
    bad = _share(ranked.active_poisoned[channel] if ranked.active_poisoned else None, images(state, "poisoned"))
    feature = state.opened.feature if state.opened else ""
    becomes = f" (what becomes of {state.opened.layer})" if state.opened and width >= 80 else ""
    return [
        row(
            width, (f"  channel {channel}", "b"), (f"   rank {rank} of {state.channels}   {fate}", "."),
        ),
        row(
            width, ("  mean activation ", "d"), (f"{ranked.means[channel]:.4g}", "."),
            (f" in {feature}{becomes}, clean valid", "d"),
        ),
        row(
            width, ("  active on ", "d"), (f"{clean} %", "v"), (" of clean valid, ", "d"),
            (f"{bad} %", "a"), (" of poisoned test", "d"),
            ("  (active: its output differs from a pruned channel's)" if width >= 110 else "", "d"),
        ),
        row(width, ("  ", "d"), (activity(ranked, channel, state), ".")),
    ]  # fmt: skip


def activity(ranked: Ranked, channel: int, state: RunState) -> str:
    """In words, on which images a channel is active."""
    clean = _how_many(ranked.active_valid[channel], images(state, "valid"))
    hits, poisoned = ranked.active_poisoned, images(state, "poisoned")
    if hits is None or not poisoned:
        return f"active on {clean} clean images, poisoned unknown"
    bad = _how_many(hits[channel], poisoned)
    if clean == bad:
        return "inactive on all images" if clean == "no" else f"active on {clean} images of both sets"
    return f"active on {bad} poisoned, {clean} clean images"


def _how_many(hits: int, total: int) -> str:
    if hits in (0, total):
        return "all" if hits else "no"
    return "most" if 2 * hits >= total else "under half of"


def _share(hits: int | None, total: int) -> str:
    return EMPTY if hits is None or not total else rate(100 * hits / total, 1)


def _cost(state: RunState, view: ChannelView, width: int) -> list[Row]:
    accuracy, asr = alone(state, view.alone)
    fading = view.fading
    curve = f" {sparks(fading.valid, fading.sample['valid'])}" if fading else ""
    parts: list[Part] = [("  pruned alone: valid acc ", "d"), (f"{accuracy} pt{curve}", "v")]
    if asr != EMPTY:
        curve = f" {sparks(fading.poisoned, fading.sample['poisoned'])}" if fading and fading.poisoned else ""
        parts += [("   ASR ", "d"), (f"{asr} pt{curve}", "a")]
    if fading and sum(len(text) for text, _ in parts) + len(FADES) <= width:
        parts.append((FADES, "d"))
    return [row(width, *parts)]


def maps(view: ChannelView, width: int, height: int) -> list[Row]:
    """Both maps, side by side where there is room; each position a block of shade with its mean in it."""
    both = [("mean over clean valid images", "v", view.valid_map)]
    if view.poisoned_map is not None:
        both.append(("mean over poisoned test images", "a", view.poisoned_map))
    top = max((max(values, default=0.0) for _, _, values in both), default=0.0)
    room = max(1, (width - 4) // 2 - 2)
    down, across = min(view.height, max(1, height - 1)), min(view.width, room)
    size = max(1, min(WIDEST, room // max(1, across)))
    tall = max(1, min(4 if size >= 6 else 2, (height - 1) // max(1, down)))
    columns = max(size * across, 32 if width >= 72 else 0)
    both = [(name, ink, averaged(values, view.height, down, across)) for name, ink, values in both]
    head: list[Part] = [("  ", ".")]
    for name, ink, _ in both:
        name = name if len(name) < columns + 3 else name.replace("mean over ", "").removesuffix(" images")
        head += [(name.ljust(columns + 3), ink)]
    rows = [row(width, *head)]
    for y in range(down):
        for line in range(tall):
            parts: list[Part] = [("  ", ".")]
            for _, ink, values in both:
                cells = values[y * across : (y + 1) * across]
                under = line == tall - 1 and size >= 6
                parts += [(_number(value, size) if under else _shade(value, top, size), ink) for value in cells]
                parts.append((" " * (columns + 3 - size * across), "."))
            rows.append(row(width, *parts))
    return rows[:height]


def _shade(value: float, top: float, size: int) -> str:
    """A block as dark as its value; where there are numbers under it, with a gap on its right."""
    shade = SHADES[min(len(SHADES) - 1, int(len(SHADES) * value / top))] if value > 0 else " "
    return (shade * (size - 1)).ljust(size) if size >= 6 else shade * size


def _number(value: float, size: int) -> str:
    return f"{value:.2f}".center(size - 1)[: size - 1].ljust(size)


class ChannelScreen(RunScreen):
    """Left and right walk through the channels in pruning order."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("channel")]
    SCOPES = ("channel", "run")
    HINTS = (
        "Active on an image: its output there differs from a pruned channel's. One that serves the backdoor alone is "
        "active on poisoned images only.",
        "Active: its output differs from a pruned channel's. The backdoor's own: only on poisoned images.",
        "Active: not like a pruned one. The backdoor's: on poisoned only.",
        "The backdoor's own: active on poisoned alone.",
    )

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel = channel
        self._asked: int | None = None

    def body(self) -> Iterator[Widget]:
        yield ChannelPage()

    def show(self, state: RunState) -> None:
        if self._asked != self.channel and not state.computing and state.ready:
            self._asked = self.channel
            self.lab.do(ShowChannel(self.channel))
        self.query_one(ChannelPage).show(state, self.channel)

    def action_next_channel(self) -> None:
        self._walk(1)

    def action_previous_channel(self) -> None:
        self._walk(-1)

    def chosen_channel(self) -> int | None:
        return self.channel

    def _walk(self, by: int) -> None:
        order = self.lab.state.order
        if self.channel in order:
            self.channel = order[(order.index(self.channel) + by) % len(order)]
            self.show(self.lab.state)
