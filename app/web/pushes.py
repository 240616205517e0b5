"""Reads what a push brings: JSON with one message or several, or the message itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from app.errors import Fault, Invalid, Malformed, MessageTooLarge, UnsupportedMediaType
from app.models import MAX_BATCH, MAX_DELAY_SECONDS, NewMessage, Priority
from app.services.system import Limits
from app.web import payloads
from app.web.exchange import JSON, OCTETS, Call
from app.web.operations import Rules

CURL_DEFAULT = "application/x-www-form-urlencoded"
MAX_CONTENT_TYPE_LENGTH = 255
ATTRIBUTE = "attributes."
MAX_ATTRIBUTES = 16
MAX_ATTRIBUTES_LENGTH = 2_048  # of names and values together: they must fit into a header of an answer


def _printable(pattern: str) -> Meta:
    """Text of a whole `pattern`. Python's `$` lets a line end follow, which JSON Schema's does not."""
    return Meta(pattern=rf"{pattern}(?!\n)", extra_json_schema={"pattern": pattern})


Name = Annotated[str, _printable(r"^[\x21-\x7e]{1,128}$")]
AttributeName = Annotated[str, _printable(r"^[\x20-\x7e]{1,64}$")]
AttributeValue = Annotated[str, _printable(r"^[\x20-\x7e]{0,256}$")]
Attributes = Annotated[dict[AttributeName, AttributeValue], Meta(max_length=MAX_ATTRIBUTES)]


class PushOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a message; times in seconds."""

    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)] | UnsetType = UNSET
    ttl: Annotated[float, Meta(ge=0.001, le=MAX_DELAY_SECONDS)] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    group: Name | UnsetType = UNSET
    key: Name | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET

    @property
    def is_empty(self) -> bool:
        """Whether there are none, as of most messages."""
        return self.delay is self.ttl is self.priority is self.group is self.key is self.attributes is UNSET


IN_A_GROUP: Rules = {"allOf": [{"not": {"required": ["group", "delay"]}}, {"not": {"required": ["group", "priority"]}}]}


class PushItem(PushOptions, frozen=True, forbid_unknown_fields=True):
    """A message and what is said of it."""

    SCHEMA: ClassVar[Rules] = {"required": ["message"], **IN_A_GROUP}

    message: Raw | UnsetType = UNSET


# Each is read by itself, so that every faulty one is named.
RawItem = Annotated[Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/PushItem"})]


class PushBody(PushItem, frozen=True, forbid_unknown_fields=True):
    """One message with its options, or several that bring their own."""

    SCHEMA: ClassVar[Rules] = {
        "oneOf": [{"required": ["message"]}, {"required": ["messages"], "maxProperties": 1}],
        **IN_A_GROUP,
    }

    messages: Annotated[list[RawItem], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET


class Pushed(msgspec.Struct, frozen=True):
    """The message is in the queue, or was pushed before under the same key."""

    queue: str
    id: str


class PushedBatch(msgspec.Struct, frozen=True):
    """The messages are in the queue, in the order of `ids`."""

    queue: str
    ids: list[str]


class Push(msgspec.Struct, frozen=True):
    """The messages of a request, whether they came as a list, and whether they are to be proven safe."""

    messages: list[NewMessage]
    is_plural: bool
    is_durable: bool


def read_push(call: Call, limits: Limits) -> Push:
    """The messages that `call` brings, every fault named; all belong to the trace of the call.

    Raises `Malformed`, `Invalid`, `MessageTooLarge`, `UnsupportedMediaType`.
    """
    push = _read(call, limits)
    if call.traceparent is None:
        return push
    traced = [msgspec.structs.replace(message, traceparent=call.traceparent) for message in push.messages]
    return msgspec.structs.replace(push, messages=traced)


def _read(call: Call, limits: Limits) -> Push:
    options = _with_attributes(call.options) if call.options else {}
    media_type = call.content_type.partition(";")[0].strip().lower()
    if media_type != JSON:
        said = payloads.convert(options, PushOptions)
        return Push([_raw_message(call, media_type, said, limits)], is_plural=False, is_durable=call.is_durable)
    body = payloads.decode(call.body, PushBody)
    if body.messages is UNSET:
        said = payloads.with_query(_options_of(body), options, PushOptions) if options else body
        messages = [_json_message(body.message, said, limits, at="")]
        return Push(messages, is_plural=False, is_durable=call.is_durable)
    if not (body.message is UNSET and body.is_empty and not options):
        detail = "With messages, the options of each stand beside its message."
        raise Invalid(detail, faults=[Fault(detail, pointer="/messages")])
    return Push(_batch(body.messages, limits), is_plural=True, is_durable=call.is_durable)


def _with_attributes(options: Mapping[str, str]) -> dict[str, Any]:
    """Query options, of which `attributes.colour=red` and its like are put into one."""
    given: dict[str, Any] = {name: value for name, value in options.items() if not name.startswith(ATTRIBUTE)}
    attributes = {name.removeprefix(ATTRIBUTE): options[name] for name in options if name.startswith(ATTRIBUTE)}
    if attributes and "attributes" in given:
        detail = "Give attributes as attributes.name=value, each by itself."
        raise Invalid(detail, faults=[Fault(detail, parameter="attributes")])
    return given | ({"attributes": attributes} if attributes else {})


def _options_of(item: PushItem) -> PushOptions:
    return PushOptions(*(getattr(item, name) for name in PushOptions.__struct_fields__))


def _raw_message(call: Call, media_type: str, options: PushOptions, limits: Limits) -> NewMessage:
    if media_type == CURL_DEFAULT and call.body[:1] in (b"{", b"["):
        raise UnsupportedMediaType("This looks like JSON sent as a form; with curl, use --json instead of -d.")
    if not call.body and not call.content_type:
        raise Invalid("Send a message: as JSON with curl --json, or as it is with -d or --data-binary.")
    content_type = call.content_type or OCTETS
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH:
        raise Invalid(f"A Content-Type may have {MAX_CONTENT_TYPE_LENGTH} characters.")
    _check_size(call.body, limits, at="")
    return _message(call.body, content_type, options, at="")


def _batch(items: list[Raw], limits: Limits) -> list[NewMessage]:
    messages: list[NewMessage] = []
    refusals: list[Malformed | Invalid | MessageTooLarge] = []
    for index, raw in enumerate(items):
        at = f"/messages/{index}"
        try:
            item = msgspec.json.decode(raw, type=PushItem)
            messages.append(_json_message(item.message, item, limits, at=at))
        except msgspec.ValidationError as error:
            fault = payloads.fault_of(error, at=at)
            refusals.append(Invalid(f"{fault.detail} at {fault.pointer}.", faults=[fault]))
        except (Malformed, Invalid, MessageTooLarge) as error:
            refusals.append(error)
    if not refusals:
        return messages
    try:
        raise _all_in_one(refusals)
    finally:  # each holds this call, and with it the whole body, until garbage is looked for
        refusals.clear()


def _all_in_one(refusals: list[Malformed | Invalid | MessageTooLarge]) -> Malformed | Invalid | MessageTooLarge:
    """One refusal that names the first hundred faults: of their kind if they are all of one, else `Invalid`."""
    kinds = {type(refusal) for refusal in refusals}
    kind = kinds.pop() if len(kinds) == 1 else Invalid
    faults = [fault for refusal in refusals for fault in refusal.faults]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return kind(refusals[0].detail.removesuffix(".") + more + ".", faults=faults[: payloads.MAX_FAULTS])


def _json_message(message: Raw | UnsetType, options: PushOptions, limits: Limits, *, at: str) -> NewMessage:
    if message is UNSET:
        raise Invalid("Send message, or a list of messages.", faults=[Fault("is missing", pointer=f"{at}/message")])
    body = bytes(message)
    _check_size(body, limits, at=at)
    payloads.check_depth(body, limits.max_depth, at=f"{at}/message")
    return _message(body, None, options, at=at)


def _check_size(body: bytes, limits: Limits, *, at: str) -> None:
    if len(body) > limits.max_message_bytes:
        detail = f"A message may have {limits.max_message_bytes} bytes; this one has {len(body)}."
        raise MessageTooLarge(detail, faults=[Fault(detail, pointer=f"{at}/message")])


def _message(body: bytes, content_type: str | None, options: PushOptions, *, at: str) -> NewMessage:
    if options.is_empty:
        return NewMessage(body, content_type)
    given = {name: value for name, value in msgspec.structs.asdict(options).items() if value is not UNSET}
    for name in ("delay", "priority"):
        if "group" in given and name in given:
            detail = f"A message of a group has no {name}: its group is delivered in the order of the pushes."
            raise Invalid(detail, faults=[Fault(detail, pointer=f"{at}/{name}")])
    attributes: dict[str, str] = given.get("attributes", {})
    if sum(len(name) + len(value) for name, value in attributes.items()) > MAX_ATTRIBUTES_LENGTH:
        detail = f"The attributes of a message may have {MAX_ATTRIBUTES_LENGTH} characters in all."
        raise Invalid(detail, faults=[Fault(detail, pointer=f"{at}/attributes")])
    return NewMessage(
        body,
        content_type,
        delay_ms=round(given.get("delay", 0) * 1000),
        key=given.get("key"),
        priority=given.get("priority", "normal"),
        ttl_ms=round(given["ttl"] * 1000) if "ttl" in given else None,
        group=given.get("group"),
        attributes=attributes,
    )
