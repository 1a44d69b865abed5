"""An engine that is a script: the same curve every time, inside the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator

from engine.api import protocol as p
from engine.api.errors import EngineDied
from engine.api.orders import METHODS, method_of
from engine.api.transport import Ending
from tests.support import findings
from tests.support.tuning_script import TuningScript

CHANNELS = 60
IMAGES = 1000
FAR_DROPS = {45: 20, 46: 27, 47: 33, 48: 41, 49: 60, 50: 90, 51: 140, 52: 142, 53: 230, 54: 320}

SETTINGS = p.Settings(
    root="/lab",
    model="/lab/models/bd_net.h5",
    valid="/lab/data/cl/valid.h5",
    test="/lab/data/cl/test.h5",
    poisoned="/lab/data/bd/bd_test.h5",
)
LAYERS = (
    p.LayerInfo("conv_1", "Conv2D", (None, 52, 44, 20)),
    p.LayerInfo("conv_3", "Conv2D", (None, 10, 8, 60)),
    p.LayerInfo("fc_1", "Dense", (None, 160), "is not a convolution"),
)
ORDER = tuple((7 * i + 3) % CHANNELS for i in range(CHANNELS))


def counts(step: int) -> p.Counts:
    """A curve like the lab's: dormant channels first, then accuracy falls, the attack last."""
    lost = max((n for at, n in FAR_DROPS.items() if at <= step), default=max(0, (step - 33) * 3 // 2))
    lost += max(0, step - 54) * 100
    test, hits = max(1, 986 - lost), 1000 if step < 50 else max(0, 1000 - (step - 49) * 95)
    caught = max(0, 1000 - hits)
    return p.Counts(
        valid=max(1, 986 - lost),
        test=test,
        poisoned=hits,
        g_test=max(0, test - lost // 9),
        g_poisoned=hits,
        detected=caught,
        false_alarms=min(1000, lost),
    )


def compared(name: str) -> p.Compared:
    """An order; each kind has its own price, so that no two look the same."""
    kind = method_of(name).name
    late = list(METHODS).index(kind) + (int(name.partition(":")[2]) if kind == "random" else 0)
    steps = tuple(
        p.Counts(
            valid=max(1, 986 - 2 * late - 12 * max(0, step - 20)) if step else 986,
            test=max(1, 986 - 2 * late - 12 * max(0, step - 20)) if step else 986,
            poisoned=max(0, 1000 - 40 * max(0, step - 20 - late // 2)),
            g_test=900, g_poisoned=0, detected=0, false_alarms=0,
        )
        for step in range(CHANNELS + 1)
    )  # fmt: skip
    chosen = ORDER[:3] if kind == "clp" else None
    scores = tuple(9.0 - ORDER.index(c) if c in ORDER[:3] else 1.0 for c in range(CHANNELS)) if chosen else None
    return p.Compared(name, method_of(name).looks_at, ORDER, steps, chosen, chosen and steps[3], 0.1, scores)


def means() -> tuple[float, ...]:
    """By channel: 31 dormant ones, then rising."""
    rank = {channel: i for i, channel in enumerate(ORDER)}
    return tuple(0.0 if rank[c] < 31 else round(0.003 * 1.32 ** (rank[c] - 31), 4) for c in range(CHANNELS))


VERDICT = (
    "Accuracy fell first: clean validation accuracy had lost 4 points at step 47, while the attack still reached "
    "99.40 % of poisoned test images; its success rate came under 50 % at step 58 (-89.11 pt) and under 5 % at "
    "step 60 (-98.89 pt)."
)


class ScriptedEngine:
    """Answers commands as the real engine does. `slow`: a Goto waits at every step for `let` to let it go on."""

    def __init__(
        self, slow: bool = False, held_by: str | None = None, refuse: str | p.Failed = "", die_in: str = ""
    ) -> None:
        self.ending: Ending | None = None
        self.commands: list[p.AnyCommand] = []
        self.closed = self.detached = False
        self._slow, self._held_by, self._refuse, self._die_in = slow, held_by, refuse, die_in
        self._events: asyncio.Queue[p.AnyEvent | None] = asyncio.Queue()
        self._inbox: asyncio.Queue[p.AnyCommand] = asyncio.Queue()
        self._steps = asyncio.Semaphore(0)
        self._task: asyncio.Task[None] | None = None
        self._tunings = TuningScript(IMAGES, IMAGES)
        self._order, self._known, self._at = list(ORDER), 0, 0
        self._crossed: set[str] = set()
        self._save_at: tuple[str, ...] = ()
        self._pause = False
        self._reading = asyncio.Event()
        self._reading.set()

    # --- what a client does

    async def start(self) -> None:
        self._say(p.Hello(p.PROTOCOL, 4242))
        self._task = asyncio.create_task(self._serve())

    async def send(self, command: p.AnyCommand) -> None:
        self.commands.append(command)
        if isinstance(command, p.Pause):
            self._pause = True
            self._steps.release()
        else:
            self._inbox.put_nowait(command)

    async def events(self) -> AsyncIterator[p.AnyEvent]:
        while (event := await self._events.get()) is not None:
            yield event
        if not self.closed:
            raise EngineDied(f"The engine {self.ending.reason}." if self.ending else "The engine left.")

    async def close(self, patience: float = 2.0) -> None:
        self.closed = True
        self._events.put_nowait(None)
        if self._task:
            self._task.cancel()

    async def detach(self) -> None:
        self.detached = True
        await self.close()

    # --- what a test does

    def let(self, steps: int = 1) -> None:
        """Let a slow Goto compute `steps` more."""
        for _ in range(steps):
            self._steps.release()

    def die(self, reason: str = "was killed by SIGKILL") -> None:
        self.ending = Ending(None, "SIGKILL", reason, ("Loading weights", "F tensorflow/core: out of memory"))
        if self._task:
            self._task.cancel()
        self._events.put_nowait(None)

    def say(self, event: p.AnyEvent) -> None:
        self._say(event)

    held_back: tuple[str, ...] = ()  # orders that are never compared

    def pause_answers(self) -> None:
        """Read no more commands."""
        self._reading.clear()

    def go_on_answering(self) -> None:
        self._reading.set()

    def say_opened(self, opened: p.Opened) -> p.Opened:
        """For engines that open something else."""
        return opened

    # --- the script

    def _say(self, *events: p.AnyEvent) -> None:
        for event in events:
            self._events.put_nowait(event)

    async def _serve(self) -> None:
        while True:
            command = await self._inbox.get()
            await self._reading.wait()
            await self._answer(command)

    async def _answer(self, command: p.AnyCommand) -> None:
        match command:
            case p.Open():
                self._open(command)
            case p.Goto():
                await self._goto(command)
            case p.PruneNext(channel=channel):
                self._order.remove(channel)
                self._order.insert(self._at, channel)
                self._known = self._at
                self._say(p.Reordered(tuple(self._order), self._at))
                await self._goto(p.Goto(self._at + 1))
            case p.Compare(orders=orders):
                for name in orders:
                    if name not in self.held_back:
                        self._say(p.Progress("orders", 0, CHANNELS, 0.0, name), compared(name))
                self._say(p.Idle(self._at))
            case p.TakeOrder(order=name):
                order = tuple(self._order[::-1])
                self._order, self._known, self._at = list(order), 0, 0
                self._say(p.Reordered(order, 0, name or "", 0 if name else None), p.Idle(0))
            case p.SetThresholds(save_at=save_at):
                self._save_at = save_at
                self._say(p.Thresholds(save_at))
                for step in range(1, self._known + 1):
                    self._cross(step)
                self._say(p.Idle(self._at))
            case p.SaveHere(name=name):
                self._save(name or f"model_step_{self._at}.h5", None)
                self._say(p.Idle(self._at))
            case p.ShowChannel(channel=channel):
                self._say(channel_view(channel), p.Idle(self._at))
            case p.ShowImages():
                self._say(pictures(command, self._at), p.Idle(self._at))
            case p.Tune():
                await self._tune(command)
            case p.StopTuning(tuning=number):
                self._say(*self._tunings.stop(number), p.Idle(self._at))
            case p.SaveTuned():
                self._say(*self._tunings.save_tuned(command, "/lab/models", "/lab/runs/one"), p.Idle(self._at))
            case p.Explain():
                self._explain()
            case p.HandIn():
                self._hand_in(command)
            case p.Export() | p.Finish():
                for name in ("curve.csv", "curve.png", "results.csv", "report.md"):
                    self._say(p.Saved(name, f"/lab/runs/one/{name}", "0" * 64, "written"))
                if isinstance(command, p.Finish):
                    self._say(p.Finished("/lab/runs/one", (), (), VERDICT, 7.3))
                self._say(p.Idle(self._at))
            case _:
                self._say(p.Idle(self._at))

    def _hand_in(self, command: p.HandIn) -> None:
        figures = (("valid", 953, IMAGES), ("poisoned", 1000, IMAGES))
        checks = tuple(p.NetworkCheck("B′", f"model_prune_{x}.h5", 47, figures) for x in self._save_at)
        done = p.HandedIn(f"{command.run}/hand-in.zip", "d" * 64, 3_400_000, ("check.txt", "report.pdf"), checks)
        self._say(p.Progress("hand in", 500, IMAGES, 0.5, "test"), done, p.Idle(self._at))

    def _explain(self) -> None:
        curve = [counts(step) for step in range(CHANNELS + 1)]
        images: dict[p.SetName, int] = {"valid": IMAGES, "test": IMAGES, "poisoned": IMAGES}
        self._say(p.Progress("why", 1, 1, 1.5), findings.diagnosed(ORDER, curve, means(), images))
        self._say(p.Progress("detectors", 1, 1, 3.0), findings.detected(images))
        self._say(p.Progress("layers", 3, 3, 2.0), findings.layers_pruned(images), p.Idle(self._at))

    def _open(self, command: p.Open) -> None:
        if self._refuse:
            failed = self._refuse if isinstance(self._refuse, p.Failed) else p.Failed(self._refuse, 2)
            self._say(failed, p.Idle(0, "failed"))
            return
        self._save_at = command.settings.save_at
        for phase in p.PHASES[: p.PHASES.index("steps")]:
            if phase == self._die_in:
                return self.die()
            if phase != "features poisoned_valid":
                total = IMAGES if phase.startswith("features") else 1
                self._say(p.Progress(phase, total, total, 0.4))
            if phase == "model":
                self._say(
                    p.Began(command.settings, {}, {}, "2024-05-01T14:02:00"), self.say_opened(opened(self._held_by))
                )
            if phase == "ranking":
                active = tuple(0 if mean == 0 else min(IMAGES, 40 + 9 * i) for i, mean in enumerate(means()))
                self._say(p.Ranked(ORDER, False, means(), active, active))
        self._say(p.Stepped(0, None, counts(0)), p.Moved(0), p.Idle(0))

    async def _goto(self, command: p.Goto) -> None:
        self._pause = False
        why = "done"
        for step in range(self._known + 1, command.step + 1):
            if self._slow:
                await self._steps.acquire()
            if self._pause:
                why = "paused"
                break
            self._known = self._at = step
            self._say(p.Stepped(step, self._order[step - 1], counts(step), 120, 0.014))
            self._cross(step)
            self._say(p.Moved(step))
            if self._stops(command, step):
                break
        else:
            self._at = command.step
            self._say(p.Moved(command.step))
        self._say(p.Idle(self._at, "paused" if why == "paused" else "done"))

    async def _tune(self, command: p.Tune) -> None:
        """Where the engine is slow, an epoch takes a step's time."""
        self._pause, step = False, self._at if command.step is None else command.step
        script = self._tunings.tune(command, step, tuple(self._order[:step]), "/lab/models", "/lab/runs/one")
        for event in script:
            self._say(event)
            if self._slow and isinstance(event, p.Tuned):
                await self._steps.acquire()
            if self._pause:
                break
        self._say(p.Idle(self._at, "paused" if self._pause else "done"))

    def _stops(self, command: p.Goto, step: int) -> bool:
        until = command.until_drop
        return until is not None and p.reached(until, counts(0).valid, counts(step).valid, IMAGES)

    def _cross(self, step: int) -> None:
        for threshold in self._save_at:
            if threshold not in self._crossed and p.reached(threshold, counts(0).valid, counts(step).valid, IMAGES):
                self._crossed.add(threshold)
                self._say(p.Crossed(threshold, step))
                self._save(f"model_prune_{threshold}.h5", threshold, step)

    def _save(self, name: str, threshold: str | None, step: int | None = None) -> None:
        at = self._at if step is None else step
        self._say(p.Saved("model", f"/lab/models/{name}", "a" * 64, "written", at, threshold))
        answers = name.replace("model_", "g_", 1)
        self._say(p.Saved("answers", f"/lab/runs/one/{answers}", "b" * 64, "written", at, threshold))


def opened(held_by: str | None = None) -> p.Opened:
    sets: dict[p.SetName, p.SetInfo] = {
        "valid": p.SetInfo("valid.h5", IMAGES, "1" * 64),
        "test": p.SetInfo("test.h5", IMAGES, "2" * 64),
        "poisoned": p.SetInfo("bd_test.h5", IMAGES, "3" * 64),
    }
    return p.Opened(
        run="/lab/runs/one",
        model=p.SetInfo("bd_net.h5", 0, "4" * 64),
        layer="conv_3",
        feature="pool_3",
        channels=CHANNELS,
        classes=1283,
        layers=LAYERS,
        sets=sets,
        target="0",
        device="cpu",
        backend="tensorflow",
        lab=False,
        held_by=held_by,
    )


def channel_view(channel: int) -> p.ChannelView:
    height, width = 5, 4
    clean = tuple(((y * width + x) * (channel % 7)) / 20 for y in range(height) for x in range(width))
    bad = tuple(1.4 * value if i < 8 else value / 3 for i, value in enumerate(clean))
    excited = tuple(
        p.ExcitedImage(of, index, 7, 3.2, 55, 47, picture(index, 55, 47, of == "poisoned").rgb, shown)
        for of, index, shown in (("valid", 12, clean), ("poisoned", 40, bad))
        if max(shown) > 0
    )
    weights = tuple(((place * (channel + 3)) % 17 - 8) / 40 for place in range(160))
    fading = p.Fading(
        {"valid": 500, "poisoned": 500}, (1.0, 0.75, 0.5, 0.25, 0.0), (493, 493, 490, 480, 400), (500,) * 5
    )
    kernel = p.Filter(2, 2, 40, 4, 40, weights, 0.0125)
    return p.ChannelView(channel, height, width, clean, bad, counts(34), excited=excited, filter=kernel, fading=fading)


def pictures(command: p.ShowImages, step: int) -> p.Images:
    height, width = 55, 47
    total = {"all": 1000, "wrong": 14, "attack works": 0, "caught": 9, "false alarm": 3}.get(command.filter, 21)
    last = min(total, command.offset + command.count)
    items = tuple(
        p.ImagePair(i, picture(i, height, width, False), picture(i, height, width, True))
        for i in range(command.offset, last)
    )
    return p.Images(
        command.filter, step, command.offset, total, height, width, items, command.tuning, command.epoch
    )  # fmt: skip


def picture(index: int, height: int, width: int, poisoned: bool) -> p.Picture:
    """An oval on a gradient, with a dark band for the trigger."""
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            inside = ((y - 27) / 24) ** 2 + ((x - 23) / 17) ** 2 < 1
            band = poisoned and 18 <= y < 26 and 8 <= x < 39
            shade = (30, 30, 34) if band else (214, 170, 140) if inside else (60 + 2 * y, 90, 120 + index % 60)
            pixels += bytes(shade)
    label = 0 if poisoned else index % 1283
    return p.Picture(bytes(pixels), label, label, label, 1283 if index % 3 else label)
