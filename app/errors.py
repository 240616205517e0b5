"""What can go wrong, in the words of queues. `web/problems.py` holds the HTTP status of each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with the input: where (a JSON pointer into the body, or a parameter's name) and what."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class PulpoError(Exception):
    """The base of all that Pulpo refuses; `detail` is one sentence that says what to do."""

    def __init__(self, detail: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)


class Malformed(PulpoError):
    """The body is not JSON, not UTF-8, or nested too deep."""


class Invalid(PulpoError):
    """The input is well-formed and wrong."""


class IdempotencyKeyReused(PulpoError):
    """A key was used for something else before."""


class MessageTooLarge(PulpoError):
    """A message is larger than `PULPO_MAX_MESSAGE_BYTES`."""


class LengthRequired(PulpoError):
    """A body of no declared length came to a server that cannot tell whether it is whole."""


class RequestTooLarge(PulpoError):
    """A request is larger than `PULPO_MAX_REQUEST_BYTES`."""


class UnsupportedMediaType(PulpoError):
    """The body is not of the type that it claims to be."""


class NotAcceptable(PulpoError):
    """The answer cannot be given in the form asked for."""


class Unauthenticated(PulpoError):
    """Nobody is known to be calling."""


class Forbidden(PulpoError):
    """The caller is known and lacks the permission."""


class QueueNotFound(PulpoError):
    """The queue does not exist: it was never made, or was deleted."""


class MessageNotFound(PulpoError):
    """The message is gone: settled, dead, given back or purged."""


class LeaseLost(PulpoError):
    """The message was delivered again since: the receipt counts for nothing."""


class Conflict(PulpoError):
    """What the caller wants is in the way of what is there, or of what others do at the same time."""


class NotFound(PulpoError):
    """What is named does not exist."""


class RateLimited(PulpoError):
    """Too much at once, or too often; worth another try after `retry_after_seconds`."""

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(PulpoError):
    """The queue's own limit is reached; nothing was pushed."""


class QueuePaused(PulpoError):
    """The queue takes no pushes now; nothing was pushed."""


class TooManyQueues(PulpoError):
    """There are as many queues as `PULPO_MAX_QUEUES` allows."""


class PreconditionFailed(PulpoError):
    """What is to be changed is not as the caller has seen it."""


class NotDurable(PulpoError):
    """It is not proven that a push or an ack outlives a failure; those of `ids` may be pushed or acked all the same."""

    def __init__(self, detail: str, *, ids: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.ids = tuple(ids)


class Overloaded(PulpoError):
    """The request waited too long for a thread, and was not looked at."""


class StoreUnavailable(PulpoError):
    """Redis or the user table does not answer, or refuses to."""


class StoreFull(PulpoError):
    """Redis has reached its memory limit; nothing was written."""


class IdentityUnavailable(PulpoError):
    """What knows the users, a directory or an issuer of tokens, does not answer, or not as it should."""

    retry_after_seconds = 5
