"""A run as one HTML file that needs nothing else."""

from __future__ import annotations

from importlib.resources import files

import yaml
from jinja2 import Environment

from loadtest.document import Document
from loadtest.load.plots import pictures
from loadtest.load.sheets import conclusion, sheets
from loadtest.sheets import milliseconds, number


def page(document: Document) -> str:
    """The whole file. Raises ImportError without matplotlib."""
    template = Environment(autoescape=True).from_string((files("loadtest.load") / "page.html.j2").read_text())
    sent, latencies = document["sent"], document["latency_s"]
    headlines = [
        (number(sent["per_second"]), "events sent per second"),
        (milliseconds(latencies["visible"]["p99"]), "until visible in a SELECT, 99th percentile"),
        (milliseconds(latencies["counted"]["p99"]), "until counted, 99th percentile"),
        (f"{document['verdict']['events']:,}", "counts compared with the truth"),
    ]
    text: str = template.render(
        **document,
        headlines=headlines,
        conclusion=conclusion(document),
        sheets=sheets(document),
        pictures=pictures(document),
        workload_text=yaml.safe_dump(document["workload"], sort_keys=False, allow_unicode=True),
    )
    return text
