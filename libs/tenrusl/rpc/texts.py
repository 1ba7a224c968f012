"""Texts that operators write: they are shown on terminals and kept, so they are one line of printable characters."""

from __future__ import annotations

from tenrusl.errors import FieldViolation


def text_violations(field: str, text: str, most: int) -> list[FieldViolation]:
    """What is wrong with a text that must have 1 to `most` printable characters, not only blanks; empty for nothing."""
    if text.strip() and len(text) <= most and text.isprintable():
        return []
    return [FieldViolation(field, f"must be 1 to {most} printable characters")]
