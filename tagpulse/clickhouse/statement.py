"""Just enough of ClickHouse's grammar to tell where an INSERT ends and its data begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tagpulse.clickhouse.names import names

_TOKEN = re.compile(
    rb"""(?P<space>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
       | (?P<quoted>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
       | (?P<word>[A-Za-z_]\w*)
       | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

READS = names("SELECT WITH FROM SHOW DESCRIBE DESC EXISTS EXPLAIN")

# Each block of these is complete in itself, so blocks laid end to end are one answer.
STREAMED_FORMATS = names(
    "Native TabSeparated TSV TabSeparatedRaw TSVRaw CSV RowBinary JSONEachRow JSONCompactEachRow TSKV"
)


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT with its data: the statement up to FORMAT or VALUES, the format, the encoded rows."""

    head: str
    form: str
    data: bytes


def words(text: bytes) -> Iterator[tuple[str, int, int]]:
    """The upper-cased words outside of parentheses, strings and comments, with their place."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word" and depth == 0:
            yield token[0].decode().upper(), token.start(), token.end()
        elif token[0] == b"(":
            depth += 1
        elif token[0] == b")":
            depth -= 1


def first_word(text: bytes) -> str:
    """The word a statement begins with, in upper case; `(` counts as SELECT."""
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            return token[0].decode().upper()
        if token.lastgroup != "space":
            return "SELECT" if token[0] == b"(" else ""
    return ""


def split_insert(text: bytes) -> Insert | None:
    """The parts of an `INSERT ... FORMAT x <data>` or `INSERT ... VALUES <data>`; None for anything else."""
    if first_word(text) != "INSERT":
        return None
    found = words(text)
    for word, start, end in found:
        if word in ("SELECT", "WITH", "INFILE", "WATCH"):
            return None
        if word == "VALUES":
            return Insert(text[:start].decode(), "Values", text[end:])
        if word == "FORMAT":
            form, _, after = next(found, ("", 0, 0))
            if not form:
                return None
            name = text[after - len(form) : after].decode()
            return Insert(text[:start].decode(), name, _data(text, after))
    return None


def _data(text: bytes, at: int) -> bytes:
    """What follows the name of the format: one line end belongs to the statement, all else to the data."""
    while text[at : at + 1] in (b" ", b"\t", b"\f"):
        at += 1
    if text[at : at + 1] == b";":
        at += 1
    if text[at : at + 1] == b"\r":
        at += 1
    if text[at : at + 1] == b"\n":
        at += 1
    return text[at:]


def stated_format(text: bytes) -> str | None:
    """The format that a query names: FORMAT and a name, with nothing or only SETTINGS behind them."""
    depth = 0
    before: re.Match[bytes] | None = None
    found: str | None = None
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "space":
            continue
        if found is not None and token[0] != b";" and token[0].upper() != b"SETTINGS":
            found = None
        if token.lastgroup == "word" and depth == 0 and before is not None and before[0].upper() == b"FORMAT":
            found = token[0].decode()
        elif found is not None and token[0].upper() == b"SETTINGS":
            return found
        depth += (token[0] == b"(") - (token[0] == b")")
        before = token
    return found


def streamable(text: bytes, form: str) -> bool:
    """True if the answer may be sent block by block: a SELECT without totals, in a format that allows it."""
    if form not in STREAMED_FORMATS or first_word(text) not in ("SELECT", "WITH", "FROM"):
        return False
    return re.search(rb"\bTOTALS\b|\bOUTFILE\b", text, re.IGNORECASE) is None
