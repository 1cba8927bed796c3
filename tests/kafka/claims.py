"""How far counting has come, as the claims say."""

from __future__ import annotations

from tests.e2e.harness import Stack


def incarnation(stack: Stack, topic: str) -> int:
    """The one in force."""
    ((number,),) = stack.rows(f"SELECT max(incarnation) FROM incarnations WHERE topic = '{topic}'")
    return int(number)


def counted_to(stack: Stack, topic: str, partition: int = 0) -> int:
    """The offset up to which the log of now is counted; 0 where nothing is."""
    ((offset,),) = stack.rows(
        f"SELECT max(next) FROM claims WHERE done AND topic = '{topic}' AND partition = {partition}"
        f" AND incarnation = {incarnation(stack, topic)}"
    )
    return int(offset)


def wait_for_more(stack: Stack, number: int = 3_000) -> None:
    before = stack.counted() or 0
    stack.wait_for(lambda: (stack.counted() or 0) >= before + number, "counting goes on")
