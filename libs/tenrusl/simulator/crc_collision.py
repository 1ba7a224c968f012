"""Another body with the same CRC-32: why a signature over a checksum is no proof (PayPal). For tests and the demo."""

import zlib
from collections.abc import Sequence

_PLACES = 64  # 32 bits are to be met; with twice as many places there is a way, whatever the body


def with_crc_of(genuine: bytes, body: bytes) -> bytes:
    """`body` and white space at its end (which JSON allows), chosen so that its CRC-32 is that of `genuine`."""
    wanted, spaces = zlib.crc32(genuine), zlib.crc32(body + b" " * _PLACES)
    # CRC-32 is linear: what each place changes when it holds a tab instead of a space.
    effects = [
        zlib.crc32(body + b" " * place + b"\t" + b" " * (_PLACES - 1 - place)) ^ spaces for place in range(_PLACES)
    ]
    tabs = _chosen(effects, wanted ^ spaces)
    return body + bytes(ord("\t" if place in tabs else " ") for place in range(_PLACES))


def _chosen(effects: Sequence[int], wanted: int) -> set[int]:
    """Places whose effects xor to what is wanted: Gauss over bits."""
    basis: dict[int, tuple[int, int]] = {}  # length in bits → an effect of that length, and the places it is made of
    for place, effect in enumerate(effects):
        value, used = effect, 1 << place
        while value and value.bit_length() in basis:
            value, used = value ^ basis[value.bit_length()][0], used ^ basis[value.bit_length()][1]
        if value:
            basis[value.bit_length()] = (value, used)
    chosen = 0
    while wanted:
        value, used = basis[wanted.bit_length()]
        wanted, chosen = wanted ^ value, chosen ^ used
    return {place for place in range(len(effects)) if chosen >> place & 1}
