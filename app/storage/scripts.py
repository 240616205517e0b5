"""Loads the Lua scripts, one a file in `lua/`, and runs each in one round trip."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from app.storage.lines import Commands
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
            raise ours from error

    def run_for_each(self, client: Redis, keys: Sequence[list[str]], args: list[Any]) -> list[Any]:
        """The replies of a run for each list of keys, with the same arguments, in one round trip; each is a step.

        Only for scripts that write nothing: where Redis has not seen it, all of them may run again.
        """
        with translating_errors():
            try:
                return self._run_for_each(client, keys, args)
            except NoScriptError:
                client.script_load(self.source)
                return self._run_for_each(client, keys, args)

    def _run_for_each(self, client: Redis, keys: Sequence[list[str]], args: list[Any]) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for each in keys:
            pipeline.evalsha(self._sha, len(each), *each, *args)
        return pipeline.execute()


def _source(name: str) -> str:
    text = files("app.storage.lua").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: _source(match[1]), text)
