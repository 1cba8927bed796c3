"""Workloads: what is accepted, what a mistake is answered with, and how many events are due when."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.rates import Rates, share_of
from loadtest.load.workload import Spotlight, Step, Workload, WorkloadError, load, names, parse

STEADY = {"description": "", "steps": [{"seconds": 10, "rate": 100}]}


def workload(**fields: object) -> Workload:
    return parse(STEADY | fields, "test.yaml")


def test_all_that_were_promised_are_there() -> None:
    promised = "steady burst ramp backlog max-rate hot-hashtag long-tail late poison campaign-launch soak"
    assert set(promised.split()) <= set(names())
    assert all(load(name).name == name and load(name).description for name in names())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": []}, "test.yaml: steps: "),
        ({"steps": [{"seconds": 0, "rate": 5}]}, "test.yaml: steps.0.seconds: "),
        ({"steps": [{"seconds": 1, "rate": -5}]}, "test.yaml: steps.0.rate"),
        ({"steps": [{"seconds": 1, "rate": "max", "to": 5}]}, "has no 'to': leave it out"),
        ({"rate": 5}, "test.yaml: rate: Extra inputs are not permitted; there are name, description"),
        ({"poison": 1.5}, "test.yaml: poison: "),
        ({"countries": {"USA": 1}}, "two ASCII letters"),
        ({"countries": {"UK": 1}}, "GB for the UK: not 'UK'"),
        ({"countries": {"ph": 1}}, "not 'ph'"),
        ({"late": {"share": 0.1, "up_to_s": 1e9}}, "late.up_to_s"),
        ({"faults": [{"at_s": 10, "fault": "kill-worker"}]}, "kill-worker at 10 s: the run lasts 10 s"),
        ({"spotlights": [{"hashtag": "# ", "share": 0.5}]}, "empty in normal form"),
        ({"spotlights": [{"hashtag": "a", "share": 0.7}, {"hashtag": "b", "share": 0.7}]}, "come to 1.4: at most 1"),
        ({"faults": [{"at_s": 1, "fault": "kill-everything"}]}, "test.yaml: faults.0.fault: "),
        ({"mix": {"video_like": 1}}, "test.yaml: mix"),
        ({"fresh_hashtags": 1}, "at least 2"),
    ],
)
def test_a_mistake_names_field_and_remedy(fields: dict[str, object], message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        workload(**fields)
    assert message in str(caught.value)


def test_a_file_that_is_none_is_told_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="one of backlog, burst"):
        load("steadyy")
    broken = tmp_path / "broken.yaml"
    broken.write_text("steps: [")
    with pytest.raises(WorkloadError, match="is not YAML"):
        load(str(broken))
    broken.write_text("- 1")
    with pytest.raises(WorkloadError, match="a mapping of fields"):
        load(str(broken))


def test_scaling_keeps_the_form() -> None:
    found = load("failures").scaled(seconds=9, peak=50)
    assert [found.seconds, found.peak] == pytest.approx([9, 50])
    assert [fault.at_s for fault in found.faults] == pytest.approx([1, 2.5, 4, 5.5, 7])
    assert load("burst").scaled(seconds=30).steps[2].seconds == pytest.approx(4)
    assert load("campaign-launch").scaled(seconds=9).spotlights[0].over_s == pytest.approx(6)
    assert load("max-rate").scaled(seconds=3, peak=100).steps[0].rate == "max"


def test_due_events_are_the_integral_of_the_rates() -> None:
    rates = Rates([Step(seconds=10, rate=100), Step(seconds=10, rate=100, to=300), Step(seconds=5, rate=0)])
    assert [rates.due(t) for t in (0, 5, 10, 15, 20, 22, 99)] == pytest.approx([0, 500, 1000, 1750, 3000, 3000, 3000])
    assert [rates.at(t) for t in (5, 15, 22, 30)] == pytest.approx([100, 200, 0, 0])


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=5),
    st.lists(st.floats(0, 300), min_size=2, max_size=20),
)
def test_due_events_never_fall(steps: list[tuple[float, float, float]], moments: list[float]) -> None:
    rates = Rates([Step(seconds=seconds, rate=rate, to=to) for seconds, rate, to in steps])
    due = [rates.due(moment) for moment in sorted(moments)]
    assert due == sorted(due)


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_senders_share_all_events_evenly(due: int, senders: int) -> None:
    shares = [share_of(due, index, senders) for index in range(senders)]
    assert sum(shares) == due
    assert max(shares) - min(shares) <= 1


def test_a_spotlight_grows_on_a_straight_line() -> None:
    spot = Spotlight(hashtag="x", share=0.1, to=0.3, over_s=10)
    assert [spot.share_at(t) for t in (0, 5, 10, 99)] == pytest.approx([0.1, 0.2, 0.3, 0.3])
