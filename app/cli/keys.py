"""flask --app wsgi keys …: API keys."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.cli.terminal import EVERYTHING, OPERATOR, Refusals, json_option, show
from app.models import MAX_BATCH
from app.web.context import services
from app.web.exchange import timestamp

keys = AppGroup("keys", help="API keys for machines.")


@keys.command("list")
@click.option("--owner", help="Only those of one user.")
@json_option
def list_(owner: str | None, *, as_json: bool) -> None:
    """Show all keys, without their secrets."""
    found = []
    after = ""
    with Refusals():
        while page := services().keys.page(owner=owner, after=after, limit=MAX_BATCH):
            found += page
            after = page[-1].id
    show(
        [
            {
                "id": key.id,
                "owner": key.owner,
                "name": key.name,
                "permissions": key.permissions,
                "expires_at": None if key.expires_at is None else timestamp(key.expires_at * 1000),
                "last_used_at": None if key.last_used_at is None else timestamp(key.last_used_at * 1000),
            }
            for key in found
        ],
        as_json=as_json,
    )


@keys.command("revoke")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key for good."""
    with Refusals():
        services().keys.remove(EVERYTHING, key_id, by=OPERATOR)
    click.echo(f"Revoked {key_id}.")
