"""The forms of measurement: which tables a document of each has."""

from __future__ import annotations

from collections.abc import Callable

from loadtest import keys, latency, workers
from loadtest.document import Document, DocumentError
from loadtest.peers import report
from loadtest.sheets import Sheet

FORMS: dict[str, Callable[[Document], list[Sheet]]] = {
    "compare": report.sheets,
    "workers": workers.sheets,
    "keys": keys.sheets,
    "latency": latency.sheets,
}


def sheets(document: Document) -> list[Sheet]:
    """The tables of a document. Raises DocumentError where its form is none."""
    if document["form"] not in FORMS:
        raise DocumentError(f"no form of measurement is called {document['form']!r}; there are {', '.join(FORMS)}")
    return FORMS[document["form"]](document)
