"""Turns the words of strangers (servers, libraries) into one short line that is safe to store and to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST = 300  # characters
SHORTEST_SECRET = 4  # characters; anything shorter would tear holes into ordinary words


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` on one line of at most 300 characters, without control characters and with every secret as ``***``.

    Secrets of four characters and more are taken out, the longest before the shorter ones it may contain.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    # Categories C (control, format, surrogate) and Z (every kind of space) include bidi marks, U+2028 and NEL.
    plain = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    line = " ".join(plain.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
