"""A narrator that keeps what it tells."""

from tui.headless.narrator import Plain


class Said(Plain):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def stderr(self, text: str) -> None:
        self.errors.append(text)

    def stdout(self, line: str) -> None:
        self.lines.append(line)
