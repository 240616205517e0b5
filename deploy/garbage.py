"""Has Python look for garbage less often: an ordinary request leaves none (decision 0028)."""

from __future__ import annotations

import gc

NEW_OBJECTS = 10_000  # between two looks; by itself Python looks after 700, and so at all that waits to be logged


def look_less_often() -> None:
    """To be called once all is loaded: that stays, and is not looked at any more.

    Nothing is collected before: a look writes into each object, and so gives a worker its own copy of all it shares.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
