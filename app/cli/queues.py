"""flask --app wsgi queues …: the queues, what lies in them, and their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import click
import msgspec
from flask.cli import AppGroup

from app.cli.terminal import EVERYTHING, OPERATOR, Refusals, json_option, show
from app.models import MAX_BATCH, DeadFilter, DeadReason, MessageState, Operation
from app.web.context import services
from app.web.queue_settings import write_count, write_queue

queues = AppGroup("queues", help="The queues.")

BOTH: tuple[Operation, ...] = get_args(Operation)
AT_ONCE = 10_000

queue_argument = click.argument("queue")
operation_option = click.option(
    "--operation", type=click.Choice([*BOTH, "both"]), default="both", show_default=True, help="What is meant."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@queues.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show all queues with what they hold."""
    rows = []
    after: str | None = ""
    with Refusals():
        while after is not None:
            found, after = services().catalog.page(EVERYTHING, after=after, limit=MAX_BATCH)
            rows += [write_count(queue, counts) for queue, counts in found]
    shown = ("queue", "ready", "delayed", "leased", "dead", "bytes", "oldest_age")
    show([{name: getattr(row, name) for name in shown} for row in rows], as_json=as_json)


@queues.command("show")
@queue_argument
@json_option
def show_one(queue: str, *, as_json: bool) -> None:
    """Show all there is to say of a queue."""
    with Refusals():
        known = write_queue(queue, services().catalog.describe(queue))
    parts = {
        "now": {"waiters": known.waiters, "paused": list(known.paused), "next_due": known.next_due},
        "counts": known.counts,
        "totals": known.totals,
        "settings": known.settings,
        "backoff": known.settings.backoff,
    }
    rows = [
        {"of": part, "name": name, "value": value}
        for part, values in msgspec.to_builtins(parts).items()
        for name, value in values.items()
        if not isinstance(value, dict)
    ]
    show(rows, as_json=as_json)


@queues.command("pause")
@queue_argument
@operation_option
def pause(queue: str, operation: Operation | Literal["both"]) -> None:
    """Stop pushes, pops or both until they are resumed."""
    with Refusals():
        services().catalog.pause(queue, _operations(operation), until_ms=None, by=OPERATOR)
    click.echo(f"Paused {queue}.")


@queues.command("resume")
@queue_argument
@operation_option
def resume(queue: str, operation: Operation | Literal["both"]) -> None:
    """Let pushes, pops or both go on."""
    with Refusals():
        services().catalog.resume(queue, _operations(operation), by=OPERATOR)
    click.echo(f"Resumed {queue}.")


@queues.command("purge")
@queue_argument
@click.option("--state", type=click.Choice(get_args(MessageState)), help="Only messages in one state.")
@yes_option
def purge(queue: str, state: MessageState | None, *, yes: bool) -> None:
    """Empty a queue."""
    if not yes:
        click.confirm(f"All {f'{state} ' if state else ''}messages of {queue} will be gone. Go on?", abort=True)

    def step() -> tuple[int, int]:
        purged = services().catalog.purge(queue, state, by=OPERATOR)
        return purged.gone, purged.remaining

    click.echo(f"{_all_of(step, 'Purging')} messages are gone.")


@queues.command("redrive")
@queue_argument
@click.option("--reason", type=click.Choice(get_args(DeadReason)), help="Only those that died of it.")
def redrive(queue: str, reason: DeadReason | None) -> None:
    """Give the dead letters of a queue back to it."""

    def step() -> tuple[int, int]:
        moved = services().dead_letters.redrive(queue, DeadFilter(reason), (), limit=AT_ONCE, by=OPERATOR)
        return moved.moved, moved.remaining

    click.echo(f"{_all_of(step, 'Redriving')} messages are back in {queue}.")


@queues.command("delete")
@queue_argument
@yes_option
def delete(queue: str, *, yes: bool) -> None:
    """Remove a queue and all that it holds."""
    if not yes:
        click.confirm(f"{queue} and all that it holds will be gone. Go on?", abort=True)
    with Refusals():
        services().catalog.delete(queue, by=OPERATOR)
    click.echo(f"Deleted {queue}.")


def _operations(operation: Operation | Literal["both"]) -> tuple[Operation, ...]:
    return BOTH if operation == "both" else (operation,)


def _all_of(step: Callable[[], tuple[int, int]], label: str) -> int:
    """Takes steps, which tell how many were done and how many are left, until none is; how many were done in all.

    Shows at a terminal how far it is. Ends, too, where a step does nothing.
    """
    with Refusals():
        done, left = step()
        total = done
        with click.progressbar(length=done + left, label=label) as bar:
            bar.update(done)
            while done and left:
                done, left = step()
                total += done
                bar.update(done)
    return total
