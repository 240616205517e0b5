"""What the machine draws: bodies, times, keys, settings and filters, chosen so that things meet often."""

from __future__ import annotations

from hypothesis import strategies as st

from app.models import RequestKey
from tests.model.words import REASONS

# Times are drawn as units and a few milliseconds, so that many fall together and some just miss.
TIME = st.tuples(st.integers(0, 4), st.sampled_from([0, 0, 0, 1]))
TIME_AHEAD = st.tuples(st.integers(1, 4), st.sampled_from([0, 0, 0, -1, 1]))
LONG_TIME = st.tuples(st.integers(2, 30), st.just(0))
MESSAGE_KEY = st.sampled_from([None, None, None, None, "a", "b"])
REQUEST_KEY = st.sampled_from([None, None, None, RequestKey("ann", "1"), RequestKey("bob", "1")])
BODY = st.sampled_from([b"1", b"22", b'"a longer body"', b"\x00\xff\r\n", b""])
PRIORITY = st.sampled_from(["normal", "normal", "high", "low"])
GROUP = st.sampled_from(["a", "b"])
TTL = st.one_of(st.none(), st.none(), TIME_AHEAD)
MESSAGE = st.fixed_dictionaries(
    {
        "body": BODY,
        "content_type": st.sampled_from([None, None, "text/plain"]),
        "delay_ms": st.one_of(st.just((0, 0)), TIME),
        "key": MESSAGE_KEY,
        "priority": PRIORITY,
        "ttl_ms": TTL,
        "attributes": st.sampled_from([{}, {}, {"a": "b"}]),
    }
)
OF_A_GROUP = st.fixed_dictionaries({"body": BODY, "key": MESSAGE_KEY, "ttl_ms": TTL, "group": GROUP})
STATE = st.sampled_from([None, "ready", "delayed", "leased", "dead"])
OPERATIONS = st.sampled_from([("push",), ("pop",), ("push", "pop")])
# Which of the things that are there: mostly the newest or the first.
PICK = st.one_of(st.integers(0, 4), st.integers(0, 499))
PICKS = st.lists(PICK, min_size=1, max_size=4)
LIMIT = st.one_of(st.just(1), st.integers(1, 6), st.just(1000))
SETTINGS = st.fixed_dictionaries(
    {
        "lease_ms": TIME_AHEAD,
        "max_attempts": st.sampled_from([1, 1, 2, 3, 5]),
        "backoff_base_ms": TIME,
        "backoff_factor": st.sampled_from([1.0, 1.5, 2.0]),
        "backoff_max_ms": LONG_TIME,
        "dead_max_messages": st.sampled_from([1, 4, 10_000, 10_000]),
        "dead_ttl_ms": st.one_of(LONG_TIME, st.just((10_000, 0)), st.just((10_000, 0))),
        "dedup_window_ms": TIME_AHEAD,
        "max_messages": st.sampled_from([None, None, None, 5, 12]),
        "max_bytes": st.sampled_from([None, None, None, 60, 200]),
        "ttl_ms": st.one_of(st.none(), st.none(), st.none(), TIME_AHEAD),
    }
)
REASON = st.sampled_from([None, None, None, None, *REASONS])
BOUND = st.sampled_from([None, None, None, None, -1, 0, 1])
