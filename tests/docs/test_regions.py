"""The regions of the countries are those that the documentation derives from UN M49."""

from __future__ import annotations

import csv
import re

import pytest

from tests.docs.pages import page

SECTION = page("docs/data-model.md").partition("### Regions")[2].partition("\n### ")[0]
COUNTRIES = list(csv.DictReader(page("sinks/countries.csv").splitlines()))


def stated() -> dict[str, str]:
    """Sub-region -> region, from the table."""
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", SECTION, re.MULTILINE)
    return {subregion: region for region, subregions in rows for subregion in subregions.split(", ")}


def exceptions() -> dict[str, str]:
    """Country -> region, from the text: codes before each region that is named."""
    text = re.sub(r"\s+", " ", SECTION.partition("Exceptions")[2].partition("Any other two letters")[0])
    found, waiting = {}, []
    for word in re.findall(r"`([^`]+)`", text):
        if re.fullmatch("[A-Z]{2}", word):
            waiting.append(word)
        else:
            found.update(dict.fromkeys(waiting, word))
            waiting = []
    return found


def test_the_tables_of_the_page_are_whole() -> None:
    assert set(stated()) == {country["subregion"] for country in COUNTRIES} - {""}
    assert len(exceptions()) == 20
    assert set(exceptions()) <= {country["code"] for country in COUNTRIES}


@pytest.mark.parametrize("country", COUNTRIES, ids=lambda country: country["code"])
def test_a_region_follows_from_the_page(country: dict[str, str]) -> None:
    follows = exceptions().get(country["code"]) or stated()[country["subregion"]]
    assert country["region"] == follows
