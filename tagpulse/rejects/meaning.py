"""What a reject means and what its bytes look like, for people. Pure."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from schemas import rejects
from schemas.rejects import RejectReason

_ROW = 16
_SHOWN_BYTES = 4096


@cache
def meanings() -> dict[str, str]:
    """Reason -> what it means: the text that stands below each member of RejectReason in its source."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(rejects)).body
        if isinstance(node, ast.ClassDef) and node.name == RejectReason.__name__
    )
    found = {}
    for assigned, text in pairwise(body):
        if isinstance(assigned, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            name = ast.unparse(assigned.targets[0])
            found[RejectReason[name].value] = " ".join(str(text.value.value).split())
    return found


def as_text(raw: bytes, truncated: bool) -> str | None:
    """`raw` as text, None where it is not UTF-8 or holds what a terminal obeys. The end may be half a character."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if not (truncated and error.start >= len(raw) - 3 and error.reason == "unexpected end of data"):
            return None
        text = raw[: error.start].decode()
    return text if all(character.isprintable() or character in "\n\t\r" for character in text) else None


def hex_dump(raw: bytes) -> str:
    """The first 4 KiB as offset, bytes and ASCII, sixteen bytes a line."""
    lines = []
    for begin in range(0, min(len(raw), _SHOWN_BYTES), _ROW):
        row = raw[begin : begin + _ROW]
        ascii_ = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{begin:08x}  {row.hex(' '):<{_ROW * 3}} |{ascii_}|")
    if len(raw) > _SHOWN_BYTES:
        lines.append(f"... {len(raw) - _SHOWN_BYTES:,} more bytes")
    return textwrap.indent("\n".join(lines), "  ")
