"""Requests per minute."""

from __future__ import annotations

from mintmark.orchestrator.access import rates
from mintmark.orchestrator.access.rates import Buckets, headers, tighter


def test_a_minute_s_requests_come_through_at_once_and_then_one_by_one() -> None:
    buckets = Buckets()
    rooms = [buckets.take(("k",), 6, 0.0) for _ in range(7)]
    assert [room.left for room in rooms] == [5, 4, 3, 2, 1, 0, 0]
    assert [room.retry_after_s for room in rooms] == [None] * 6 + [10]
    assert buckets.take(("k",), 6, 9.0).retry_after_s == 1
    assert buckets.take(("k",), 6, 10.0).retry_after_s is None
    assert buckets.take(("k",), 6, 10.5).retry_after_s == 10


def test_a_bucket_never_holds_more_than_a_minute_s_worth() -> None:
    buckets = Buckets()
    buckets.take(("k",), 2, 0.0)
    assert [buckets.take(("k",), 2, 1e6).retry_after_s for _ in range(3)] == [None, None, 30]


def test_names_have_buckets_of_their_own() -> None:
    buckets = Buckets()
    assert buckets.take(("k",), 1, 0.0).retry_after_s is None
    assert buckets.take(("k", "user"), 1, 0.0).retry_after_s is None
    assert buckets.take(("other",), 1, 0.0).retry_after_s is None
    assert buckets.take(("k",), 1, 0.0).retry_after_s == 60


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 3)
    buckets = Buckets()
    for number in range(10):
        buckets.take((str(number),), 1, 0.0)
    assert len(buckets._buckets) == 3


def test_headers_tell_of_the_tightest_limit() -> None:
    buckets = Buckets()
    wide, tight = (headers(buckets.take((name,), most, 0.0)) for name, most in (("a", 100), ("b", 2)))
    assert tight == {"RateLimit-Limit": "2", "RateLimit-Remaining": "1", "RateLimit-Reset": "30"}
    assert tighter(wide, tight) == tighter(tight, wide) == tighter({}, tight) == tighter(tight, {}) == tight
    buckets.take(("b",), 2, 0.0)
    refused = headers(buckets.take(("b",), 2, 0.0))
    assert refused == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "30",
    }
    assert tighter({}, {}) == {}
