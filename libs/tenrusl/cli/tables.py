"""What is printed for people: tables on a terminal, whole lines elsewhere, for ids are copied and read by programs.

Others wrote much of it, so no text is taken for markup: every table and every console of the command comes from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 400  # where there is no terminal: a line is never broken


def new_console(width: int = _WIDTH, *, stderr: bool = False) -> Console:
    """Prints texts as they are. width: in characters, where there is no terminal."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = width
    return console


def new_table(*headings: str, rows: Iterable[Sequence[str | Text]] = (), box: Box | None = None) -> Table:
    """A table whose cells show texts as they are. Without headings it has none."""
    table = Table(*headings, box=box, show_header=bool(headings))
    for row in rows:
        table.add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def print_table(table: Table) -> None:
    """Prints it without breaking a line."""
    console = new_console()
    console.print(table, soft_wrap=console.is_terminal)


def plain(text: str) -> Text:
    """A text as it is: others wrote it, and neither markup nor a control character counts."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def time_text(time: Timestamp) -> str:
    """In UTC, to the second; empty when it is not set."""
    if time == Timestamp():
        return ""
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%d %H:%M:%S}"


def duration_text(duration: Duration) -> str:
    """In whole seconds, as 1:02:03."""
    return str(timedelta(seconds=round(duration.ToTimedelta().total_seconds())))
