"""Loads the Lua scripts, one a file in `lua/`, and runs each in one round trip."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from app.storage.lines import Commands, Servers
from app.storage.redis_client import translated, translating_errors

_INCLUDE = re.compile(r"^ *--@include (\w+)$", re.MULTILINE)


class Script:
    """One atomic step. `--@include name` in its source stands for the text of `lua/name.lua`."""

    def __init__(self, name: str) -> None:
        self.source = _source(name)
        self._sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Commands, keys: list[str], args: list[Any]) -> Any:
        """The script's reply, bytes undecoded; raises `StoreUnavailable` or `StoreFull`."""
        try:
            try:
                return client.execute_command("EVALSHA", self._sha, len(keys), *keys, *args)
            except NoScriptError:
                # Redis has not seen the script and ran nothing; EVAL runs it and keeps it.
                return client.execute_command("EVAL", self.source, len(keys), *keys, *args)
        except RedisError as error:  # as `translating_errors` does; but a context costs more here than all the rest
            ours = translated(error)
            if ours is None:
                raise
            try:
                raise ours from error
            finally:
                del ours

    def run_for_each(self, servers: Servers, keys: Sequence[list[str]], args: list[Any]) -> list[Any]:
        """The replies of a run for each list of keys, with the same arguments, in one round trip a server.

        Each is a step. A server that has not seen the script gets it whole, in a second one.
        """
        calls = [("EVALSHA", self._sha, len(each), *each, *args) for each in keys]
        with translating_errors():
            replies = servers.execute_commands(calls)
            unseen = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unseen:
                again = servers.execute_commands([("EVAL", self.source, *calls[place][2:]) for place in unseen])
                for place, reply in zip(unseen, again, strict=True):
                    replies[place] = reply
            for reply in replies:
                if isinstance(reply, RedisError):
                    raise reply
        return replies


def _source(name: str) -> str:
    text = files("app.storage.lua").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: _source(match[1]), text)
