"""Kill the engine at random moments of a tuning, go on with it, and look for losses.

`python -m tests.faults.tuning_kills --kills 20`. The tuning is killed and taken up again so often; then all epochs, the
saved B″ and tuning.csv are held against a run that nobody disturbed.
"""

import argparse
import asyncio
import os
import random
import signal
import tempfile
from pathlib import Path

from msgspec.structs import replace

from engine.api import journal
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import EngineDied
from tests.support.protocol_client import of, play, until_idle

STEP = 3
PATIENCE = 240.0  # seconds until an engine that was killed, or asked, must have answered


def command(epochs: int, seeds: tuple[int, ...] = (0, 1)) -> p.Tune:
    return p.Tune(STEP, recipe=p.Recipe(epochs=epochs, batch=16), seeds=seeds, save=True)


def undisturbed(settings: p.Settings, tune: p.Tune) -> Path:
    """The folder of a run from its beginning to its end."""
    told = play([p.Open(settings), p.Goto(STEP), tune])
    return Path(of(p.Opened, told[0])[-1].run)


async def killed(run: Path, settings: p.Settings, tune: p.Tune, after: int, delay: float) -> list[p.Tuned]:
    """Go on with a run and kill its engine `delay` seconds after it told of `after` epochs; the epochs that it told."""
    told: list[p.Tuned] = []
    client = EngineClient()
    await client.start()
    events = client.events()
    try:
        async with asyncio.timeout(PATIENCE):
            await client.send(p.Open(settings, str(run)))
            told += of(p.Tuned, await until_idle(events))
            begun = len(told)
            await client.send(tune)
            async for event in events:
                if isinstance(event, p.Tuned):
                    told.append(event)
                if isinstance(event, p.Idle):
                    return told
                if len(told) - begun >= after and isinstance(event, p.Tuned | p.TuningBegan | p.Progress):
                    await asyncio.sleep(delay)
                    os.kill(client.pid or 0, signal.SIGKILL)
                    break
            async for event in events:
                told += [event] if isinstance(event, p.Tuned) else []
    except EngineDied:
        pass
    finally:
        await client.close()
    return told


def disturbed(settings: p.Settings, tune: p.Tune, kills: int, rng: random.Random) -> tuple[Path, list[str]]:
    """The folder of a run that was killed so often and then went on to its end, and what it lost."""
    told = play([p.Open(settings), p.Goto(STEP)])
    run, losses = Path(of(p.Opened, told[0])[-1].run), []
    for _ in range(kills):
        shown = asyncio.run(killed(run, settings, tune, rng.choice((0, 1, 1, 2)), rng.random() * 0.3))
        kept = of(p.Tuned, journal.events(run))
        lost = [event for event in shown if event not in kept]
        losses += [f"tuning {event.number} lost epoch {event.epoch}, which was shown" for event in lost]
    play([p.Open(settings, str(run)), tune])
    return run, losses


def differences(one: Path, other: Path) -> list[str]:
    """What two runs of one lab, each with its own --out, have not alike."""
    names = sorted({path.name for run in (one, other) for path in (run / "tuning").glob("*.epoch")})
    files = [("tuning", name) for name in names] + [("", "tuning.csv"), ("", f"g_tuned_step_{STEP}.h5")]
    pairs = [(one / folder / name, other / folder / name) for folder, name in files]
    pairs.append(tuple(saved(run) for run in (one, other)))  # type: ignore[arg-type]
    return [
        f"{a.name} differs" for a, b in pairs if not (a.exists() and b.exists() and a.read_bytes() == b.read_bytes())
    ]


def saved(run: Path) -> Path:
    """The B″ that a run saved."""
    return Path(next(at.path for at in of(p.Saved, journal.events(run)) if at.what == "tuned"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from tests.engine.test_parity import settings as settings_of
    from tests.support.networks import CASES, trained_looking, write_lab

    with tempfile.TemporaryDirectory() as folder:
        lab = Path(folder, "lab")
        write_lab(lab, trained_looking(CASES["residual"][0], seed=7), seed=7)
        settings = replace(settings_of(lab), save_at=())
        tune = command(options.epochs)
        whole = undisturbed(replace(settings, out=str(lab / "one")), tune)
        run, losses = disturbed(
            replace(settings, out=str(lab / "two")), tune, options.kills, random.Random(options.seed)
        )
        losses += differences(whole, run)
        epochs = len(of(p.Tuned, journal.events(run)))
    print(f"{options.kills} kills, {epochs} epochs told, losses: {'; '.join(losses) or 'none'}")
    return bool(losses)


if __name__ == "__main__":
    raise SystemExit(main())
