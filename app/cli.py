"""The operator's commands: flask --app wsgi users …"""

from __future__ import annotations

from typing import TextIO

import click
from flask.cli import AppGroup

from app.errors import PulpoError
from app.models import ROLES, Actor
from app.web.context import services

users = AppGroup("users", help="The user table.")

OPERATOR = Actor("cli")

password_option = click.option(
    "--password-file", type=click.File(), help="Where the password stands; - is standard input. Else it is asked for."
)


class Refusals:
    """Shows what Pulpo refuses as one line instead of a traceback."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PulpoError):
            raise click.ClickException(error.detail) from error


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
def list_() -> None:
    """Show all users."""
    with Refusals():
        accounts = services().accounts.all()
    for account in accounts:
        state = "disabled" if account.disabled else "enabled"
        click.echo(f"{account.username}\t{state}\t{','.join(account.roles)}\t{','.join(account.permissions)}")


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
