"""The --help page: options in groups, without the second that a drawn one costs over a slow line."""

from typing import Any

from typer.core import TyperGroup

EXIT_CODES = [
    ("0", "done"),
    ("1", "a threshold was never reached"),
    ("2", "usage, bad input, changed inputs, an output held by another run, or one left as it is, since only you"),
    ("", "can say whether it may be replaced"),
    ("3", "the engine could not start"),
    ("4", "the engine died"),
    ("5", "something could not be written"),
    ("6", "the engine reported an error"),
    ("130", "interrupted; 143 and 129: ended by TERM and HUP"),
]


class GroupedHelp(TyperGroup):
    """Shows options under the panels that they name, commands first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                groups.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)
