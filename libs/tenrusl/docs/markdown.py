"""Small pieces of GitHub's Markdown. Pure."""

import re
from collections.abc import Iterable, Sequence

_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Pipes in its cells are escaped, which counts inside of code, too."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def anchor(heading: str) -> str:
    """The name under which GitHub finds a heading."""
    return _NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-")


def code(text: str) -> str:
    """Code inside of a sentence."""
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Several of them, with commas between."""
    return ", ".join(code(text) for text in texts)


def block(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
