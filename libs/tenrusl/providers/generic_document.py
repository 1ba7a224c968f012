"""Reading a declaration that somebody wrote by hand: every mistake is an error that names the field."""

import json
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

_T = TypeVar("_T")
_MAX_TEXT = 1024
# Enough to find a mistake; more would fill the log with the document.
_MAX_SHOWN = 80


class GenericSpecError(ValueError):
    """A declaration is wrong. `field`: where, e.g. `providers.acme.signature.header`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


def read_document(text: str) -> "Node":
    """The object that a JSON text holds.

    Raises GenericSpecError: no JSON, no object, a name twice in one object, or half a surrogate pair in a text.
    """
    try:
        document = json.loads(text, object_pairs_hook=_refuse_twice)
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise GenericSpecError("document", "holds half a surrogate pair, which is no character") from None
    except (ValueError, RecursionError) as exc:
        raise GenericSpecError("document", f"is not JSON: {exc}") from None
    return Node(document, "")


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return values


class Node:
    """An object of the document, whose names are taken one by one; what is left over is a mistake.

    Everything raises GenericSpecError, which names the field, when the value is not what the method says.
    """

    def __init__(self, values: Any, path: str) -> None:
        if not isinstance(values, dict):
            raise GenericSpecError(path or "document", "must be an object")
        self._values: dict[str, Any] = dict(values)
        self._path = path

    def names(self) -> list[str]:
        """Those that are not taken yet."""
        return list(self._values)

    def path(self, name: str) -> str:
        """Where a field stands, for errors."""
        shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
        return f"{self._path}.{shown}" if self._path else shown

    def node(self, name: str) -> "Node":
        """An object inside."""
        return Node(self.take(name), self.path(name))

    def optional_node(self, name: str) -> "Node":
        """An object inside; one without fields when it is absent."""
        return Node(self.take(name, {}), self.path(name))

    def take(self, name: str, default: Any = ...) -> Any:
        """Any value. Without a default it must be there."""
        value = self._values.pop(name, default)
        if value is ...:
            raise GenericSpecError(self.path(name), "is missing")
        return value

    def text(self, name: str, default: Any = ..., *, like: re.Pattern[str] | None = None) -> str:
        """A text of at most 1,024 characters, which `like` must match as a whole."""
        value = self.take(name, default)
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise GenericSpecError(self.path(name), f"must be a text of at most {_MAX_TEXT} characters")
        if like is not None and not like.fullmatch(value):
            raise GenericSpecError(self.path(name), f"must look like {like.pattern}")
        return value

    def parsed(self, name: str, parse: Callable[[str], _T]) -> _T:
        """What `parse` makes of a text; its ValueError says what is wrong."""
        text = self.text(name)
        try:
            return parse(text)
        except ValueError as exc:
            raise GenericSpecError(self.path(name), str(exc)) from None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of some words."""
        value = self.take(name, default)
        if not isinstance(value, str) or value not in choices:
            raise GenericSpecError(self.path(name), f"must be one of {', '.join(choices)}")
        return value

    def number(self, name: str, default: float, *, most: float) -> float:
        """A number from 0 to `most`."""
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise GenericSpecError(self.path(name), f"must be a number from 0 to {most}")
        return value

    def finish(self) -> None:
        """Nothing may be left."""
        for name in self._values:
            raise GenericSpecError(self.path(name), "is not a field that is known here")
