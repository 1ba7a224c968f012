"""Answers as JSON: names as in the protos, numbers as numbers, one object a line."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object a line, so a list is a line for each.")]
# Their JSON is not that of their fields.
_WELL_KNOWN = "google.protobuf"


def document(message: Message) -> dict[str, Any]:
    """All fields of a message, also those that are 0; whole numbers of 64 bits as numbers, at every depth."""
    found: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    _make_numbers(found, message.DESCRIPTOR)
    return found


def print_json(message: Message) -> None:
    """A message as one line."""
    print_line(document(message))


def print_json_lines(messages: Iterable[Message]) -> None:
    """A line for each."""
    for message in messages:
        print_json(message)


def print_line(values: object) -> None:
    """One line of JSON."""
    typer.echo(jsonlib.dumps(values, separators=(",", ":")))


def text_of(body: bytes) -> str | None:
    """A payload as text, None where it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _make_numbers(values: dict[str, Any], descriptor: Any) -> None:
    """protobuf's JSON writes numbers of 64 bits as texts (https://protobuf.dev/programming-guides/json/)."""
    for field in descriptor.fields:
        if field.name not in values:
            continue
        value = values[field.name]
        if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64):
            values[field.name] = [int(item) for item in value] if field.is_repeated else int(value)
        elif field.message_type is not None and field.message_type.file.package != _WELL_KNOWN:
            for item in value if field.is_repeated else [value]:
                _make_numbers(item, field.message_type)
