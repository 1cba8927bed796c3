"""The forms of measurement: which tables a document of each has."""

from __future__ import annotations

from collections.abc import Callable

from loadtest import keys, latency, workers
from loadtest.document import Document, DocumentError
from loadtest.peers import report
from loadtest.planner import check, costs, plan, scales
from loadtest.sheets import Sheet

FORMS: dict[str, Callable[[Document], list[Sheet]]] = {
    "compare": report.sheets,
    "workers": workers.sheets,
    "keys": keys.sheets,
    "latency": latency.sheets,
}
#: Of docs/scaling.md.
PLANS: dict[str, Callable[[Document], list[Sheet]]] = {
    "calibration": costs.sheets,
    "check": check.sheets,
    "check-small": check.sheets,
    "check-uniform": check.sheets,
    "plan": plan.sheets,
    "scales": scales.sheets,
}


def sheets(document: Document) -> list[Sheet]:
    """The tables of a document. Raises DocumentError where its form is none."""
    forms = FORMS | PLANS
    if document["form"] not in forms:
        raise DocumentError(f"no form of measurement is called {document['form']!r}; there are {', '.join(forms)}")
    return forms[document["form"]](document)
