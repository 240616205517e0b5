"""Reads what a push brings: JSON with one message or several, or the message itself."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from app.errors import Fault, Invalid, Malformed, MessageTooLarge, UnsupportedMediaType
from app.models import MAX_BATCH, MAX_DELAY_SECONDS, NewMessage
from app.services.system import Limits
from app.web import payloads
from app.web.exchange import JSON, OCTETS, Call

CURL_DEFAULT = "application/x-www-form-urlencoded"
MAX_CONTENT_TYPE_LENGTH = 255


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a message."""

    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)] | UnsetType = UNSET
    key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}$(?!\n)")] | UnsetType = UNSET


class Item(Options, frozen=True, forbid_unknown_fields=True):
    """A message and what is said of it."""

    message: Raw | UnsetType = UNSET


class Body(Item, frozen=True, forbid_unknown_fields=True):
    """One message with its options, or several that bring their own."""

    messages: Annotated[list[Raw], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET


class Push(msgspec.Struct, frozen=True):
    """The messages of a request, and whether they came as a list."""

    messages: list[NewMessage]
    is_plural: bool


def read_push(call: Call, limits: Limits) -> Push:
    """The messages that `call` brings, every fault named.

    Raises `Malformed`, `Invalid`, `MessageTooLarge`, `UnsupportedMediaType`.
    """
    options = payloads.convert(call.options, Options)
    media_type = call.content_type.partition(";")[0].strip().lower()
    if media_type != JSON:
        return Push([_raw_message(call, media_type, options, limits)], is_plural=False)
    body = payloads.decode(call.body, Body)
    if body.messages is UNSET:
        merged = payloads.merge(Options(body.delay, body.key), options)
        return Push([_json_message(body.message, merged, limits, at="")], is_plural=False)
    if Item(body.delay, body.key, body.message) != Item() or options != Options():
        detail = "With messages, the options of each stand beside its message."
        raise Invalid(detail, faults=[Fault(detail, pointer="/messages")])
    return Push(_batch(body.messages, limits), is_plural=True)


def _raw_message(call: Call, media_type: str, options: Options, limits: Limits) -> NewMessage:
    if media_type == CURL_DEFAULT and call.body[:1] in (b"{", b"["):
        raise UnsupportedMediaType("This looks like JSON sent as a form; with curl, use --json instead of -d.")
    if not call.body and not call.content_type:
        raise Invalid("Send a message: as JSON with curl --json, or as it is with -d or --data-binary.")
    content_type = call.content_type or OCTETS
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH:
        raise Invalid(f"A Content-Type may have {MAX_CONTENT_TYPE_LENGTH} characters.")
    _check_size(call.body, limits, at="")
    return NewMessage(call.body, content_type, _delay_ms(options), _key(options))


def _batch(items: list[Raw], limits: Limits) -> list[NewMessage]:
    messages: list[NewMessage] = []
    refusals: list[Malformed | Invalid | MessageTooLarge] = []
    for index, raw in enumerate(items):
        at = f"/messages/{index}"
        try:
            item = msgspec.json.decode(raw, type=Item)
            messages.append(_json_message(item.message, item, limits, at=at))
        except msgspec.ValidationError as error:
            fault = payloads.fault_of(error, at=at)
            refusals.append(Invalid(f"{fault.detail} at {fault.pointer}.", faults=[fault]))
        except (Malformed, Invalid, MessageTooLarge) as error:
            refusals.append(error)
    if refusals:
        raise _all_in_one(refusals)
    return messages


def _all_in_one(refusals: list[Malformed | Invalid | MessageTooLarge]) -> Malformed | Invalid | MessageTooLarge:
    """One refusal that names the first hundred faults: of their kind if they are all of one, else `Invalid`."""
    kinds = {type(refusal) for refusal in refusals}
    kind = kinds.pop() if len(kinds) == 1 else Invalid
    faults = [fault for refusal in refusals for fault in refusal.faults]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return kind(refusals[0].detail.removesuffix(".") + more + ".", faults=faults[: payloads.MAX_FAULTS])


def _json_message(message: Raw | UnsetType, options: Options, limits: Limits, *, at: str) -> NewMessage:
    if message is UNSET:
        raise Invalid("Send message, or a list of messages.", faults=[Fault("is missing", pointer=f"{at}/message")])
    body = bytes(message)
    _check_size(body, limits, at=at)
    payloads.check_depth(body, limits.max_depth, at=f"{at}/message")
    return NewMessage(body, None, _delay_ms(options), _key(options))


def _check_size(body: bytes, limits: Limits, *, at: str) -> None:
    if len(body) > limits.max_message_bytes:
        detail = f"A message may have {limits.max_message_bytes} bytes; this one has {len(body)}."
        raise MessageTooLarge(detail, faults=[Fault(detail, pointer=f"{at}/message")])


def _delay_ms(options: Options) -> int:
    return 0 if options.delay is UNSET else round(options.delay * 1000)


def _key(options: Options) -> str | None:
    return None if options.key is UNSET else options.key
