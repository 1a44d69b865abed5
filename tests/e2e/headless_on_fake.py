"""The headless run on the scripted engine: `python headless_on_fake.py RUN [--keep] [OPTIONS OF THE ENGINE]`.

RUN is an empty folder that serves as the run's. The engine's process id goes to the file RUN/pid.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from engine.api.client import EngineClient  # noqa: E402
from engine.api.protocol import AnyEvent, Open, Settings  # noqa: E402
from tui.headless.headless_run import Plan, run  # noqa: E402

FAKE = HERE.parent / "support" / "fake_engine.py"


class Noted(EngineClient):
    """A client that notes which process it started."""

    folder = Path()

    async def events(self) -> AsyncIterator[AnyEvent]:
        (self.folder / "pid").write_text(str(self.pid))
        async for event in super().events():
            yield event


def main(folder: str, *options: str) -> int:
    Noted.folder = Path(folder)
    settings = Settings(folder, "/lab/bd_net.h5", "/lab/valid.h5", "/lab/test.h5", "/lab/bd_test.h5")
    command = (sys.executable, "-P", str(FAKE), *(option for option in options if option != "--keep"))
    return run(Plan(Open(settings, folder), keep="--keep" in options), lambda: Noted(command))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
