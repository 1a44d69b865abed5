"""The workbench as a whole: how it begins, opens, survives its engine, and ends."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, strftime
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.events import Event, Key, Resize
from textual.notifications import Notification, SeverityLevel
from textual.reactive import reactive
from textual.widgets._toast import ToastHolder

from engine.api import protocol as p
from engine.api.demo import Attack
from engine.api.errors import ExitCode, LabError
from engine.api.escape import printable
from engine.api.lab import RUNS, runs_folder
from tui.app.dialogs_flow import DialogsFlow
from tui.app.engine_link import Client, Link
from tui.app.engine_session import EngineSession
from tui.app.navigation import Navigation
from tui.app.playhead import Playhead
from tui.app.themes import THEMES, default_theme
from tui.app.toasts import ToastBatcher
from tui.app.tour import Tour
from tui.app.typed_keys import KeysInTurn
from tui.model.actions import bindings, rebound, sign
from tui.model.config import Config
from tui.model.formatting import key_of, short_path
from tui.model.launch import Launch, demo_launch
from tui.model.run_state import AppEvent, EngineDeath, RunState
from tui.model.tabs import tabs
from tui.screens.base import LabScreen
from tui.screens.start import StartScreen
from tui.terminal.output_diet import OutputDietApp

if TYPE_CHECKING:
    from textual.actions import ActionParseResult

    from engine.api.journal import RunSummary

WIDTHS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide"), (180, "-broad")]
HEIGHTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall"), (52, "-high")]
SHOW_EVERY = 0.1  # seconds; events in between share a frame, and all that tells of the run is painted in it
SHOW_BEHIND_EVERY = 1.0  # seconds, behind a window: there each change paints the whole screen again
TOASTS = 3  # lines of what was said in passing
SEVERITIES: tuple[SeverityLevel, ...] = ("information", "warning", "error")
TWICE = 2.0  # seconds within which a second Ctrl-C leaves


class LabApp(OutputDietApp):
    """The workbench. It holds an engine session, the playhead, the screens and the dialogs, and binds keys to them.

    `launch` says what to open, or is asked for it when the first frame is up; `config` is what the user likes.
    `connect` makes the client of an engine; without it, one of this installation's. Screens watch `state`, which
    follows `latest` at the pace of a screen.
    """

    TITLE = "lab3"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("run", "app"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]
    CSS_PATH: ClassVar = ["app.tcss", "../screens/start.tcss"]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    ENABLE_COMMAND_PALETTE = False  # the table of actions binds it

    state: reactive[RunState] = reactive(RunState, repaint=False, always_update=True)

    def __init__(
        self,
        launch: Launch | Callable[[], Launch],
        config: Config | None = None,
        connect: Callable[[], Client] | None = None,
        clock: Callable[[], float] = monotonic,
        driver_class: type[Driver] | None = None,
        time_of_day: Callable[[], str] = lambda: strftime("%H:%M:%S"),
    ) -> None:
        super().__init__(driver_class)
        self._find = launch if callable(launch) else lambda: launch
        self.launch = Launch(Path())
        self.config = config or Config()
        self.clock = clock
        self.actions = rebound(self.config.keys)
        self.engine = EngineSession(
            self, connect or self._real_engine, self._publish, self._pace, self.after_event, time_of_day
        )
        self.playhead = Playhead(self.engine, self.show_notice)
        self.navigation = Navigation(
            self, self.engine, self.playhead, self.config.show_g, self.show_notice, self.actions
        )
        self.dialogs = DialogsFlow(self, self.engine, self.playhead, self.leave)
        self.tour = Tour(self, self.show_notice)
        self._keys = KeysInTurn(self)
        self.left: p.Open | None = None  # the run that was open, until another one stands in its place
        self._run: str | None = None  # the run folder that the next engine goes on with
        self._early: tuple[str, DOMNode | None] | None = None  # what waits until the run is open, and where
        self._interrupted = float("-inf")  # when Ctrl-C was pressed last
        self._restarted = False
        self.leaving: int | None = None  # the exit code, once the program is being left
        self._toasts = ToastBatcher(clock)
        self._dress()
        self.set_keymap(self.config.keys)

    # --- the run's state

    @property
    def latest(self) -> RunState:
        """The state with every event folded in."""
        return self.engine.latest

    @property
    def link(self) -> Link:
        """The line to the engine."""
        return self.engine.link

    def do(self, command: p.AnyCommand) -> None:
        """Send a command to the engine."""
        self.engine.do(command)

    def _publish(self, state: RunState) -> None:
        self.state = state

    def _pace(self) -> float:
        """Seconds between two states on the screen."""
        behind = any(screen.is_modal for screen in self.screen_stack[-1:])
        return SHOW_BEHIND_EVERY if behind else SHOW_EVERY

    def show_latest(self) -> None:
        """Show at once what waits for its turn."""
        if self.state is not self.latest:
            self._publish(self.latest)

    # --- coming and going

    def _dress(self) -> None:
        """Put the theme on before anything is drawn: to change it later costs a tenth of a second."""
        for theme in THEMES:
            self.register_theme(theme)
        wanted = self.config.theme
        known = wanted in self.available_themes
        self.set_reactive(LabApp.theme, wanted if known else default_theme(self.console.color_system))
        self.stylesheet.set_variables(self.get_css_variables())
        self._no_theme = f"There is no theme '{wanted}'; ctrl+p lists them." if wanted and not known else ""

    def get_default_screen(self) -> StartScreen:
        return StartScreen()

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _real_engine(self) -> Client:
        """A new engine, or the one that goes on with the run by itself. Imported when the first frame is up."""
        from engine.api.client import EngineClient

        return EngineClient(run=Path(self._run) if self._run else None)

    def _begin(self) -> None:
        """The first frame is up: find out what to open, and start the engine."""
        try:
            self.launch = self._find()
        except LabError as error:
            self.launch = Launch(Path.cwd(), notice=str(error))
        self._run = self.launch.run
        said = "" if self.launch.demo else self.launch.notice  # the first screen says what the demo is
        for notice in (said, self.config.warning, self._no_theme):
            if notice:
                self.show_notice(notice, "warning")
        self.engine.start_engine()
        self._open_first()

    def _open_first(self) -> None:
        """Open what was asked for, or ask: for files, or which run to go on with."""
        if not self.launch.settings:
            self.ask_open()
        elif self.launch.run or self.launch.fresh:
            self.do(p.Open(self.launch.settings, self.launch.run, self.launch.demo))
        else:
            self.run_worker(self._offer_runs(self.launch))

    async def _offer_runs(self, launch: Launch) -> None:
        """Begin anew, but where there is a run with a step show the runs first."""
        from engine.api.journal import all_runs

        if launch.settings is None:
            return self.ask_open()
        folder = runs_folder(launch.settings)
        runs = await asyncio.to_thread(all_runs, folder)
        if not any(run.step for run in runs):
            return self.begin_new()
        from tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen(folder, True, runs))

    def begin_new(self) -> None:
        """Begin a run on the files that the program was started for; without any, ask for them."""
        self.navigation.pop_to_start()
        if self.launch.settings is None:
            return self.ask_open()
        self._run = None
        self.do(p.Open(self.launch.settings, None, self.launch.demo))

    def open_run(self, run: "RunSummary") -> None:
        """Open a run of before. The engine that has opened nothing yet takes it, but where the run has one at work."""
        from engine.api.engine_socket import recorded

        if self.latest.settings or self.latest.death or recorded(Path(run.folder)):
            return self.open(run.settings, run.folder)
        self._run = run.folder
        self.navigation.pop_to_start()
        self.do(p.Open(run.settings, run.folder))

    def on_resize(self, event: Resize) -> None:
        """Below the least size there is only a page that says so."""
        from tui.screens.too_small import LEAST, TooSmall

        small = event.size.width < LEAST[0] or event.size.height < LEAST[1]
        shown = isinstance(self.screen, TooSmall)
        if small and not shown:
            self.push_screen(TooSmall())
        elif shown and not small:
            self.pop_screen()

    def leave(self, code: int = 0) -> None:
        """End the program. The engine is told afterwards, when the terminal is as it was."""
        if code == ExitCode.HUNG_UP and self.launch.keep:
            self.link.keep = True
        self.leaving = code
        self.exit(code, code)

    @property
    def fault(self) -> Exception | None:
        """What went wrong in the program itself, and ended it."""
        return self._exception

    def _fatal_error(self) -> None:
        """Close; what is said about the fault is said when the terminal is as it was."""
        self._close_messages_no_wait()

    def after_event(self, before: RunState, event: AppEvent) -> None:
        """`event` has just been folded in: let each part act on it, and say aloud what must not be missed."""
        self.playhead.after_event(event)
        self._do_early(before)
        self.dialogs.after_event(event)
        if words := self._toasts.words(before, event):
            self.show_notice(*words)
        if self.latest.ready and not before.ready:
            self.left = None
            self.call_later(self.show_workbench)
            if self.latest.demo and not self.latest.going_on and not self.latest.step:
                self.call_later(self.tour.offer)
        elif isinstance(event, p.Failed) and before.busy == "opening":
            self.call_later(self._refused, event)
        if isinstance(event, p.Idle) and event.why == "done" and self.latest.complete:
            self.call_later(self._finish)
        if isinstance(event, EngineDeath):
            self.call_later(self._show_engine_died)

    # --- opening

    def ask_open(self, refusal: str = "") -> None:
        """The screen that asks what to open; `refusal`: why the last choice was not."""
        from tui.screens.open_screen import OpenScreen

        settings = self._asked_for()
        self._early = None
        if not self.latest.ready:
            self.navigation.pop_to_start()
        self.push_screen(OpenScreen(Path(settings.root) if settings else self.launch.root, settings, refusal))

    def _asked_for(self) -> p.Settings | None:
        """What was to be opened last; not what a run that came from elsewhere names, which nobody here asked for."""
        from engine.api.journal import begun_here

        try:
            own = self._run is None or begun_here(Path(self._run))
        except LabError:
            own = False
        return (self.latest.settings or self.launch.settings) if own else None

    def action_open(self) -> None:
        """The runs of this lab; from there, or where there are none, the screen that asks for files."""
        from engine.api.journal import has_runs
        from tui.screens.open_screen import OpenScreen
        from tui.screens.runs import RunsScreen

        settings = self.latest.settings or self.launch.settings
        folder = runs_folder(settings) if settings else self.launch.root / RUNS
        if isinstance(self.screen, OpenScreen):
            return
        if isinstance(self.screen, RunsScreen) or not has_runs(folder):
            return self.ask_open()
        self.push_screen(RunsScreen(folder, first=False))

    def open(self, settings: p.Settings, run: str | None = None, demo: Attack | None = None) -> None:
        """Open these files; `run`: go on with this run. An engine opens once, so that another one starts."""
        now = self.latest
        if now.ready and now.settings and now.opened:
            self.left = p.Open(now.settings, now.opened.run)
        self._run = run
        if now.settings or now.death or run:
            self.engine.start_engine()
        self.do(p.Open(settings, run, demo))
        self.navigation.pop_to_start()

    def open_left(self) -> None:
        """Open the run again that was open when something else was asked for, and refused."""
        if self.left is not None:
            self.open(self.left.settings, self.left.run)

    def open_demo(self) -> None:
        """Open the embedded demo, on which the defence fails as it does in the lab."""
        demo = demo_launch("pruning-aware")
        if demo.settings and demo.demo:
            self.open(demo.settings, demo=demo.demo)

    def _refused(self, failed: p.Failed) -> None:
        """What was to be opened was refused: offer to overwrite where that is why, else ask for other files."""
        settings = self.latest.settings
        if settings is None or not failed.foreign:
            return self.ask_open(failed.message)
        from tui.screens import questions

        def answer(result: str | None) -> None:
            if result == "yes":
                self.open(replace(settings, overwrite=True))
            else:
                self.ask_open(failed.message)

        self.push_screen(questions.overwrite(failed.foreign, settings), answer)

    def _finish(self) -> None:
        """Every step is known: write what a complete run holds."""
        state = self.latest
        if state.busy == "" and not state.read_only and not (state.written and state.finished):
            self.do(p.Export() if state.finished else p.Finish())

    # --- death of the engine

    def _show_engine_died(self) -> None:
        from tui.screens.engine_died import DiedScreen

        def answer(result: str | None) -> None:
            if result == "restart":
                self.restart()
            elif result == "quit":
                self.leave(ExitCode.ENGINE_DIED)

        wait = 0.0 if self._restarted or not self.latest.ready else self.config.restart_after
        self.push_screen(DiedScreen(self.latest, wait, self.clock), answer)

    def restart(self) -> None:
        """Start a new engine, and go on from the journal where a run had begun."""
        self._restarted = True
        settings = self.latest.settings
        self._run = self.latest.opened.run if self.latest.opened else self._run
        self.engine.start_engine()
        self.navigation.pop_to_start()
        if settings:
            self.do(p.Open(settings, self._run))
        else:
            self._open_first()  # the window in which it was asked has gone with the engine

    # --- keys

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Keys do nothing that a run, or a living engine, is needed for and not there."""
        needs = next((a.needs for a in self.actions if a.id == action), "")
        missing = (needs and not self.latest.ready) or (needs == "engine" and self.latest.death and action != "run")
        return None if missing else True

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do an action; the last of those that come too early is kept until the run is open."""
        if isinstance(action, str) and self._too_early(action):
            self._early = action, default_namespace
            label = next(a.label for a in self.actions if a.id == action)
            self.show_notice(f"{label}: waits until the network is open.")
            return True
        done = await super().run_action(action, default_namespace, namespaces)
        if done and isinstance(action, str):
            self.tour.after_action(action)
        return done

    def _too_early(self, name: str) -> bool:
        """Whether an action has to wait until the run is open: what is told before is an old run's way to its end."""
        needs = next((a.needs for a in self.actions if a.id == name), "")
        opening = self.latest.busy == "opening" or (not self.latest.settings and isinstance(self.screen, StartScreen))
        return opening and (needs == "engine" or (needs == "run" and not self.latest.ready))

    def _do_early(self, before: RunState) -> None:
        """Do what was asked for too early, now that the run is open."""
        if before.busy == "opening" and not self.latest.busy:
            early, self._early = self._early, None
            if early and self.latest.ready:
                self.call_later(self.run_action, *early)

    def perform(self, name: str) -> None:
        """Do an action of the table, as its key would."""
        here = hasattr(self.screen, f"action_{name}")
        self.call_later(self.run_action, name, self.screen if here else self)

    async def on_key(self, event: Key) -> None:
        """A key that nothing takes: say so, rather than leave a press without an answer."""
        event.prevent_default()
        if not await self._check_bindings(event.key) and not self.screen.is_modal:
            self.show_notice(self._unanswered(event))

    def _unanswered(self, event: Key) -> str:
        """Why a key does nothing: its action needs what is not there, or it has none here."""
        scopes = ("run", "app", *(self.screen.SCOPES if isinstance(self.screen, LabScreen) else ()))
        found = next((a for a in self.actions if event.key in a.keys and a.scope in scopes), None)
        if found and found.needs and not self.latest.ready:
            return f"{found.label} needs a network that is open."
        if found and found.needs == "engine" and self.latest.death:
            return f"{found.label} needs the engine, which died: {key_of(self.actions, 'run')} starts it again."
        key = event.character if event.is_printable and event.character else sign(event.key)
        keys = {name: key_of(self.actions, name) for name in ("help", "command_palette")}
        return f"{key} does nothing here. {keys['help']} shows the keys, {keys['command_palette']} finds an action."

    def action_step(self) -> None:
        self.playhead.step()

    def action_undo(self) -> None:
        self.playhead.undo()

    def action_redo(self) -> None:
        self.playhead.redo()

    def action_first(self) -> None:
        self.playhead.first()

    def action_last(self) -> None:
        self.playhead.last()

    def action_back_ten(self) -> None:
        self.playhead.back_ten()

    def action_on_ten(self) -> None:
        self.playhead.on_ten()

    def action_run(self) -> None:
        if self.latest.death:
            self.restart()
        else:
            self.playhead.run()

    def action_goto(self) -> None:
        self.dialogs.goto()

    def action_run_until(self) -> None:
        self.dialogs.run_until()

    def action_prune(self) -> None:
        self.navigation.prune()

    def action_look(self) -> None:
        self.navigation.look_inside()

    def action_save(self) -> None:
        self.dialogs.save()

    def action_thresholds(self) -> None:
        self.dialogs.thresholds()

    def action_export(self) -> None:
        if self.playhead.may_change():
            self.do(p.Export())

    def action_hand_in(self) -> None:
        self.dialogs.hand_in()

    def action_workbench(self) -> None:
        self.navigation.workbench()

    def action_orders(self) -> None:
        self.navigation.orders()

    def action_why(self) -> None:
        self.navigation.why()

    def action_repair(self) -> None:
        self.navigation.repair()

    def action_results(self) -> None:
        self.navigation.results()

    def action_images(self) -> None:
        self.navigation.images()

    def action_log(self) -> None:
        self.navigation.log()

    def action_tour(self) -> None:
        self.tour.toggle()

    def action_help(self) -> None:
        self.navigation.help()

    async def action_back(self) -> None:
        self.navigation.back()

    def action_quit(self) -> None:  # type: ignore[override]
        self.dialogs.quit()

    def action_interrupt(self) -> None:
        """Ctrl-C puts a window away, copies what is selected or quits; twice, it leaves whatever is asked."""
        from tui.screens.dialogs import Dialog

        now, before = self.clock(), self._interrupted
        self._interrupted = now
        if now - before < TWICE:
            self.leave()
        elif isinstance(self.screen, Dialog):
            self.screen.interrupt()
        elif self.screen.is_modal or self.screen.selections:
            raise SkipAction  # it has a binding of its own
        else:
            self.action_quit()

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        from tui.app.palette import Actions

        self.push_screen(CommandPalette(providers=[Actions], placeholder="Find an action or a theme"))

    def action_save_svg(self) -> None:
        """An SVG of the screen, in the run folder where there is one."""
        folder = Path(self.latest.opened.run) if self.latest.opened else Path.cwd()
        name = f"lab3-{strftime('%H%M%S')}.svg"
        try:
            self.copy(self.save_screenshot(name, str(folder)), "Screenshot")
        except OSError as error:
            self.show_notice(f"Could not write {short_path(str(folder / name), 60)}: {error.strerror}", "error")

    def action_copy_command(self) -> None:
        from tui.model.session_command import headless_command

        if command := headless_command(self.latest):
            self.copy(command, "Command")

    # --- what screens ask for

    def show_workbench(self) -> None:
        """Put the workbench in front, where nothing lies over the start screen."""
        self.navigation.show_workbench()

    def go_to(self, step: int) -> None:
        """Move the playhead to a step."""
        if self.latest.ready:
            self.playhead.go(lambda _: step)

    def turn_tab(self, by: int) -> None:
        """Put the screen so many tabs further on in front; from one that has no tab, as from the first."""
        names = [tab.name for tab in tabs(self.actions)]
        scope = self.screen.SCOPES[0] if isinstance(self.screen, LabScreen) else ""
        now = names.index(scope) if scope in names else 0
        self.perform(names[(now + by) % len(names)])

    def show_tour(self) -> None:
        """Put the tour's line on the screen in front, while it lasts."""
        self.tour.show()

    def choose_theme(self, name: str) -> None:
        """Change the colours, and keep them for the next time."""
        from tui.model.config import keep_theme

        self.theme = name
        try:
            keep_theme(name)
        except LabError as error:
            self.show_notice(str(error), "warning")

    def compare(self, orders: tuple[str, ...]) -> None:
        """Compare orders, when the engine is free."""
        self.playhead.compare(orders)

    def take_order(self, order: str) -> None:
        """Prune in this order from now on."""
        self.playhead.take_order(order)

    def copy(self, text: str, what: str = "") -> None:
        """Put text on the terminal's clipboard, and show it: not every terminal has one."""
        self.copy_to_clipboard(text)
        self.show_notice(f"{what}: {text}" if what else text)

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something in passing; plain text. One box holds what was said last, until the next key or for a while."""
        text, shown = printable(text), next(iter(self._notifications), None)
        lines = shown.message.split("\n") if shown else []
        if text in lines:
            return
        if shown:
            severity = max(severity, shown.severity, key=SEVERITIES.index)
            self._unnotify(shown, refresh=False)
        seconds = 4 if severity == "information" else 8
        message = "\n".join([*lines[1 - TOASTS :], text])
        self._notifications.add(Notification(message, severity=severity, timeout=seconds, markup=False))
        self._refresh_notifications()

    def _refresh_notifications(self) -> None:
        """Show what is said now. Textual takes a toast away but leaves its holder, which keeps a row for itself: each
        box would come a row lower than the one before, and leave that row behind."""
        said = {f"--textual-toast-{notification.identity}" for notification in self._notifications}
        for screen in self.screen_stack[-1:]:
            for holder in screen.query(ToastHolder):
                if holder.id not in said:
                    holder.remove()
        super()._refresh_notifications()

    async def on_event(self, event: Event) -> None:
        """A key puts away what was said before it, and waits for its turn."""
        if isinstance(event, Key):
            self.clear_notifications()
            if not event.is_forwarded and not self._keys.may_go(event):
                return
        await super().on_event(event)
