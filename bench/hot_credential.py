"""What it costs to check a credential that was checked a moment ago: the function itself, µs of CPU a call.

python -m bench.hot_credential
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app import create_app
from app.people import Actor
from app.services.accounts import generated_password
from app.services.keys import credential_of
from app.settings import Secret, Settings
from app.storage.sql.engine import make_engine
from app.storage.sql.migrate import migrate
from app.web.context import EXTENSION, Services

CALLS, ROUNDS = 20_000, 9
BY = Actor("bench")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory)
        settings = Settings(data_dir=data_dir, secret=Secret("s" * 32), redis_url=Secret("redis://127.0.0.1:1"))
        migrate(make_engine(settings.database_address.reveal()), lock_file=data_dir / "migrate.lock")
        services: Services = create_app(settings).extensions[EXTENSION]
        account = services.accounts.add("ann", generated_password(), roles=("producer",), permissions=(), by=BY)
        token = services.tokens.issue(account)
        principal = services.identities.of_token(token)
        key, secret = services.keys.add(principal, "bench", permissions=("push:orders.*",), expires_in=None, by=BY)
        show("token", services, token)
        show("API key", services, credential_of(key.id, secret))


def show(name: str, services: Services, credential: str) -> None:
    """Prints the cost of a hot check, with the question whether the caller may push, and of one that looks up."""

    def hot() -> None:
        services.identities.of_token(credential).may("push", "orders.eu")

    def cold() -> None:
        services.identities._known.clear()  # noqa: SLF001 - there is no other way to be cold
        hot()

    print(f"{name}: {microseconds(hot, CALLS):.2f} µs hot, {microseconds(cold, 200):.0f} µs looked up")


def microseconds(call: Callable[[], None], calls: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(calls):
            call()
        rounds.append((time.process_time() - started) / calls * 1e6)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
