"""How the commands speak: tables or JSON, a line for a refusal; and who gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec
from tabulate import tabulate

from app.errors import PulpoError
from app.people import ROLES, Actor, Principal

OPERATOR = Actor("cli")
# Whoever can run commands beside the secret can do everything anyway.
EVERYTHING = Principal("cli", "cli", ("admin",), ROLES["admin"])

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")


class Refusals:
    """Shows what Pulpo refuses as one line instead of a traceback."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PulpoError):
            raise click.ClickException(error.detail) from error


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Writes `rows`, all with the same names, as a table or as a JSON list."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)))
        return
    table = [{name: _cell(value) for name, value in row.items()} for row in rows]
    click.echo(tabulate(table, headers="keys", disable_numparse=True) if table else "There are none.")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return " ".join(value) if isinstance(value, tuple | list) else str(value)
