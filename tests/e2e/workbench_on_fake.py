"""The workbench on the scripted engine: `python workbench_on_fake.py ROOT [OPTIONS OF THE ENGINE]`.

Leaves a file `finished` in ROOT once the engine has told the workbench that a run is complete.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from engine.api.client import EngineClient  # noqa: E402
from engine.api.protocol import AnyEvent, Finished, Settings  # noqa: E402
from tui.app.run_workbench import refusal, run  # noqa: E402
from tui.model.launch import Launch  # noqa: E402

FAKE = HERE.parent / "support" / "fake_engine.py"


class Watched(EngineClient):
    """A client that leaves word of a complete run in `folder`."""

    folder = Path()

    async def events(self) -> AsyncIterator[AnyEvent]:
        async for event in super().events():
            if isinstance(event, Finished):
                (self.folder / "finished").touch()
            yield event


def main(root: str, *options: str) -> int:
    if words := refusal():
        print(words, file=sys.stderr)
        return 2
    settings = Settings(
        root=root,
        model=f"{root}/models/bd_net.h5",
        valid=f"{root}/data/cl/valid.h5",
        test=f"{root}/data/cl/test.h5",
        poisoned=f"{root}/data/bd/bd_test.h5",
    )
    command = (sys.executable, "-P", str(FAKE), *options)
    Watched.folder = Path(root)
    return run(Launch(Path(root), settings), lambda: Watched(command))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
