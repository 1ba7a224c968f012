"""Tables on a terminal, whole lines elsewhere: ids are to be copied, and read by other programs."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 400


def print_table(table: Table) -> None:
    """Prints it without breaking a line."""
    console = Console()
    console.print(table, soft_wrap=True) if console.is_terminal else Console(width=_WIDTH).print(table)


def plain(text: str) -> Text:
    """A cell that shows a text as it is: others wrote it, and neither markup nor a control character counts."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def time_text(time: Timestamp) -> str:
    """In UTC, to the second; empty when it is not set."""
    if time == Timestamp():
        return ""
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%d %H:%M:%S}"


def duration_text(duration: Duration) -> str:
    """In whole seconds, as 1:02:03."""
    return str(timedelta(seconds=round(duration.ToTimedelta().total_seconds())))
