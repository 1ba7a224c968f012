"""Lists that come in pages, up to a limit."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

MAX_PAGE = 200  # as many as the RPCs give at once


class Found(NamedTuple):
    """Items, and whether there are more."""

    items: list[Any]
    more: bool


async def collect(ask: Callable[[int, str], Awaitable[Any]], field: str, limit: int) -> Found:
    """At most `limit` items. ask: for a page, by its size and token. field: of the page, with the items."""
    items: list[Any] = []
    token, ended = "", False
    while not ended and len(items) <= limit:  # one beyond: a token alone does not say that there is more
        page = await ask(min(limit + 1 - len(items), MAX_PAGE), token)
        items += getattr(page, field)
        token = page.next_page_token
        ended = not token
    return Found(items[:limit], len(items) > limit)


def warn_of_more(found: Found) -> None:
    """Says on stderr that the limit left some out."""
    if found.more:
        print(f"there are more than these {len(found.items)}; --limit takes more", file=sys.stderr)
