"""What is learnt, what grows and what is forgotten; and rows as ClickHouse gets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import pytest

from schemas.topics import EventType
from sinks.delta import counts_block
from streams.batch import RecordBatch
from streams.counting import counts_for
from streams.decoding import Decoder
from streams.kernel import (
    KernelCounter,
    KernelUnavailable,
    Vocabulary,
    counts,
    interned,
    layout,
    unsupported,
    vocabulary,
)
from streams.rules import Rules
from tests.streams.kernel.comparing import CLOCK, Pair, assert_same, records_of
from tests.streams.kernel.mutating import good
from tests.streams.test_decoding import VIEW, batch, encode, event

STICKER = EventType.STICKER_USE
EXPIRES = datetime(2026, 3, 1, 13, tzinfo=UTC)


def test_everything_grows_from_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_FIRST_SLOTS", 256)
    monkeypatch.setattr(counts, "_FIRST_CELLS", 2)
    monkeypatch.setattr(counts, "_FIRST_VIDEOS", 256)
    monkeypatch.setattr(interned, "_FIRST_ENTRIES", 1)
    monkeypatch.setattr(interned, "_FIRST_BYTES", 1)
    values = [
        encode(event(STICKER, ts=f"2026-03-01T{n % 12:02}:{n % 60:02}:00Z", video_id=str(n), sticker=f"S{n % 70}",
                     hashtags=[f"T{n % 997}", f"t{n % 13}", "long " * (n % 9) + str(n)], country="PHUS"[n % 3 :][:2]))
        for n in range(4000)
    ]  # fmt: skip
    assert Pair(STICKER).compare(values, pieces=3)[1] == 0


def test_what_the_slow_way_brings_grows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_FIRST_SLOTS", 256)
    monkeypatch.setattr(counts, "_FIRST_CELLS", 2)
    monkeypatch.setattr(counts, "_FIRST_VIDEOS", 256)
    many = [f"t{n}" for n in range(250)]
    values = [encode(event(STICKER, video_id="0" * 21, sticker=f"s{n}", hashtags=many)) for n in range(40)]
    rules = Rules(tag_groups={f"g{n:02}": ("t7", f"t{n}") for n in range(64)})
    assert Pair(STICKER, rules).compare(values)[1] == 40


def test_columns_of_a_decoder_are_folded_in() -> None:
    values = good(3, 500)
    for kind in EventType:
        reference, kernel, decoder = counts_for(kind), KernelCounter(kind, Rules()).begin(), Decoder(kind, Rules())
        for part in (values[:200], [], values[200:]):
            decoded = decoder.decode(batch(*part), CLOCK)
            reference.add(decoded)
            kernel.add(decoded)
        assert_same(reference, kernel)


def test_more_new_strings_than_can_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [encode(event(hashtags=[f"t{n}_{k}" for k in range(50)])) for n in range(500)]
    assert layout.MISSES_SIZE < 500 * 50
    assert Pair(VIEW).compare(values)[1] == 0


def test_a_full_generation_learns_no_more_and_is_followed_by_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MAX_STRINGS", 100)
    pair = Pair(VIEW)
    values = [encode(event(hashtags=[f"t{n}"])) for n in range(1000)]
    made, slow = pair.compare(values, pieces=20)
    assert 700 < slow < 1000
    assert len(made._generation.tags) <= 250
    pair.shown.clear()
    assert pair.compare(values[:90])[1] == 0
    # A delta keeps the generation it began with: its rows still have their names.
    assert len(made.rows().delta_rows().hashtags) == 1001


def test_a_record_that_is_rejected_teaches_nothing() -> None:
    kernel = KernelCounter(STICKER, Rules())
    delta = kernel.begin()
    bad = [event(STICKER, hashtags=["new"], sticker="#"), event(STICKER, hashtags=["new"], z=1) | {"video_id": "x"}]
    delta.add_records(records_of([encode(value) for value in bad]), CLOCK)
    assert len(delta._generation.tags) == 0
    assert len(delta.rejects) == 2


def test_strings_that_differ_only_far_behind() -> None:
    """The first 16 bytes are compared as words, the rest in the arena."""
    tags = ["a" * n for n in (1, 7, 8, 9, 15, 16, 17, 24, 25, 300)]
    tags += [tag[:-1] + "b" for tag in tags] + ["c" + tag for tag in tags]
    Pair(VIEW).compare([encode(event(hashtags=[tag])) for tag in tags * 2])


def test_a_tag_with_escapes_is_known_by_its_bytes() -> None:
    values = [json.dumps(event(hashtags=["fypシ", 'a"b', "💃🏽"])).encode()] * 3
    assert Pair(VIEW).compare(values)[1] == 0
    raw = GOOD_WITH_TAG(rb"\u0041") + GOOD_WITH_TAG(rb"\\u0041") + GOOD_WITH_TAG(rb"\ud83d")
    assert Pair(VIEW).compare(raw)[1] == 1  # the lone surrogate


def GOOD_WITH_TAG(raw: bytes) -> list[bytes]:
    return [encode(event()).replace(b"Love", raw)]


def test_what_lies_between_values_is_never_read_as_theirs() -> None:
    """Words and vectors reach beyond the end of a value, into bytes that a stranger chose as well."""
    whole = encode(event(hashtags=["love"]))
    for cut in range(len(whole)):
        value, rest = whole[:cut], whole[cut:]
        delta = KernelCounter(VIEW, Rules()).begin()
        found = records_of([value, whole], between=rest + b'"]}}' * 20)
        assert len(delta.add_records(found, CLOCK).rejects) == 1, value


# ---- rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(EventType))
def test_the_block_is_the_one_that_the_sink_builds(kind: EventType) -> None:
    delta = KernelCounter(kind, Rules()).begin()
    values: list[Any] = [*good(5, 800), encode(event(kind, ts="2025-12-31T23:59:00Z", country=None)), b"{", None]
    delta.add_records(records_of([*values, encode(event(kind, hashtags=["x" * 127, "y" * 128, "z" * 512]))]), CLOCK)
    rows = delta.rows()
    assert len(rows.rejects) > 2
    assert len(rows.months()) == 2
    wanted = counts_block(rows.delta_rows(), "t/0/3", 77, 66, EXPIRES)
    found = rows.block("t/0/3", 77, 66, EXPIRES)
    assert (found.columns, found.rows) == (wanted.columns, wanted.rows)
    assert found.encode() == wanted.encode()
    assert repr(rows.of_month(202512)) == repr(rows.delta_rows().of_month(202512))
    assert delta.rows().block("t/0/3", 77, 66, EXPIRES).encode() == wanted.encode()


def test_rows_come_in_the_order_of_the_tables_keys() -> None:
    """Which is that of bytes, however long the strings and wherever they differ."""
    stems = ["", "a", "ab", "b" * 7, "b" * 8, "b" * 15, "b" * 16, "b" * 17, "é", "日本", "c" * 40, "@"]
    tags = [stem + end for stem in stems for end in ("", "a", "z", "é", "a" * 9, "a" * 9 + "z" * 9, "0")]
    random = Random(5)
    values = [
        encode(
            event(
                STICKER,
                ts=f"2026-03-01T{random.randrange(10):02}:00:00Z",
                country=random.choice(["US", "BR", None]),
                sticker=random.choice(["heart", "Fire", "🎉"]),
                hashtags=random.sample(tags, 3),
            )
        )
        for _ in range(3_000)
    ]
    delta = KernelCounter(STICKER, Rules()).begin()
    delta.add_records(records_of(values), CLOCK)
    rows = delta.rows().delta_rows()
    texts = zip(rows.cell_stickers, rows.hashtags, rows.cell_countries, strict=True)
    keys = [(*(text.encode() for text in key), minute) for key, minute in zip(texts, rows.cell_minutes, strict=True)]
    assert len(keys) > 3_000
    assert keys == sorted(keys)


@pytest.mark.parametrize("kind", list(EventType))
def test_no_rows(kind: EventType) -> None:
    rows = KernelCounter(kind, Rules()).begin().rows()
    assert (len(rows), rows.months()) == (0, ())
    assert (
        rows.block("t/0/3", 1, 0, EXPIRES).encode() == counts_block(rows.delta_rows(), "t/0/3", 1, 0, EXPIRES).encode()
    )
    only_rejects = KernelCounter(kind, Rules()).begin()
    only_rejects.add_records(records_of([b"{"]), CLOCK)
    rows = only_rejects.rows()
    assert (
        rows.block("t/0/3", 1, 1, EXPIRES).encode() == counts_block(rows.delta_rows(), "t/0/3", 1, 1, EXPIRES).encode()
    )


def test_memory_per_key() -> None:
    """A quarter of a million keys of one tag each: about 27 bytes a key, as long as the table doubles."""
    delta = KernelCounter(VIEW, Rules()).begin()
    for day in range(1, 51):
        values = [
            encode(event(ts=f"2026-01-{1 + day // 24:02}T{day % 24:02}:00:00Z", hashtags=[f"t{n}"]))
            for n in range(5000)
        ]
        delta.add_records(records_of(values), CLOCK)
    assert len(delta) == 50 * 5001
    assert delta._table.nbytes / len(delta) < 45


# ---- what cannot be ----------------------------------------------------------------------------------


def test_rules_that_the_kernel_does_not_know() -> None:
    many = Rules(tag_groups={f"g{n}": ("a",) for n in range(65)})
    for rules, what in ((many, "65 tag groups"), (Rules(max_tag_bytes=20_000), "20000 bytes")):
        assert what in (unsupported(rules) or "")
        with pytest.raises(KernelUnavailable, match=what):
            KernelCounter(VIEW, rules)


def test_a_recount_elsewhere_gives_the_same_counts() -> None:
    """Another process has other secrets and learnt other things before."""
    values = good(9, 600)
    whole = RecordBatch("t", 0, 1, 100, 700, range(100, 700), values)
    reference = counts_for(STICKER)
    reference.add(Decoder(STICKER, Rules()).decode(whole, CLOCK))
    for seed in (1, 2):
        secrets = np.random.default_rng(seed).integers(0, 2**63, layout.TYPE_HEAD, np.uint64)
        kernel = KernelCounter(STICKER, Rules(), Vocabulary(Rules(), secrets))
        kernel.begin().add_records(records_of(good(seed, 300)), CLOCK)
        delta = kernel.begin()
        delta.add_records(records_of(values), CLOCK)
        assert_same(reference, delta)
