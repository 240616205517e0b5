"""flask --app wsgi users …: the user table."""

from __future__ import annotations

from typing import TextIO

import click
from flask.cli import AppGroup

from app.cli.terminal import OPERATOR, Refusals, json_option, show
from app.people import ROLES
from app.web.context import services

users = AppGroup("users", help="The user table.")

password_option = click.option(
    "--password-file", type=click.File(), help="Where the password stands; - is standard input. Else it is asked for."
)


@users.command("add")
@click.argument("username")
@click.option("--role", "roles", multiple=True, type=click.Choice(list(ROLES)), help="May be given several times.")
@click.option("--permission", "permissions", multiple=True, help="action:pattern; may be given several times.")
@password_option
def add(username: str, roles: tuple[str, ...], permissions: tuple[str, ...], password_file: TextIO | None) -> None:
    """Make a user."""
    password = _password(password_file)
    with Refusals():
        services().accounts.add(username, password, roles=roles, permissions=permissions, by=OPERATOR)
    click.echo(f"Made {username}." if roles or permissions else f"Made {username}, who may do nothing yet.")


@users.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show all users."""
    with Refusals():
        accounts = services().accounts.all()
    show(
        [
            {
                "username": account.username,
                "state": "disabled" if account.disabled else "enabled",
                "roles": account.roles,
                "permissions": account.permissions,
            }
            for account in accounts
        ],
        as_json=as_json,
    )


@users.command("passwd")
@click.argument("username")
@password_option
def passwd(username: str, password_file: TextIO | None) -> None:
    """Change a password; tokens issued before count for nothing."""
    password = _password(password_file)
    with Refusals():
        services().accounts.set_password(username, password, by=OPERATOR)
    click.echo(f"Changed the password of {username}.")


@users.command("disable")
@click.argument("username")
def disable(username: str) -> None:
    """Lock a user out."""
    with Refusals():
        services().accounts.disable(username, by=OPERATOR)
    click.echo(f"Disabled {username}.")


@users.command("enable")
@click.argument("username")
def enable(username: str) -> None:
    """Let a disabled user in again."""
    with Refusals():
        services().accounts.enable(username, by=OPERATOR)
    click.echo(f"Enabled {username}.")


@users.command("remove")
@click.argument("username")
def remove(username: str) -> None:
    """Delete a user."""
    with Refusals():
        services().accounts.remove(username, by=OPERATOR)
    click.echo(f"Removed {username}.")


def _password(file: TextIO | None) -> str:
    if file is not None:
        return file.read().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
