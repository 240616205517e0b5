"""What a queue may be called."""

from __future__ import annotations

from app.errors import Fault, Invalid
from app.models import is_queue_name


def check_queue_name(queue: str) -> None:
    """Raises `Invalid` if no queue may be called `queue`."""
    if not is_queue_name(queue):
        rule = "A queue's name has 1 to 80 of A-Z a-z 0-9 . _ - and begins with a letter or digit."
        raise Invalid(rule, faults=[Fault(rule, parameter="queue")])
