"""Reads PULPO_* once, at start: every setting is typed and checked here, or nothing starts."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from app.people import PASSWORD_RULE, ROLES, USERNAME, is_password, is_permission
from app.redis_url import parse_redis_url
from app.urls import is_safe_url

SECRET_FILE_NAME = "secret"  # noqa: S105 - a file's name
MIN_SECRET_LENGTH = 32
MAX_SOCKET_PATH = 100  # bytes; Linux allows 107, macOS 103
SECRET_FIELDS = frozenset(
    {"redis_url", "database_url", "secret", "admin_password", "identity_client_secret", "ldap_bind_password"}
)
POOL = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+_[A-Za-z0-9]+")
MOST_MAPPED = 100


class Secret(str):
    """A string that shows itself to nobody who prints it; `reveal()` is the only way to the text."""

    __slots__ = ()

    def reveal(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return "Secret('…')"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"


Address = Annotated[str, Meta(pattern=r"^\S+:\d{1,5}$", description="host:port, such as 127.0.0.1:8000")]
Prefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$", description="1 to 40 of A-Z a-z 0-9 . _ -")]
Username = Annotated[str, Meta(pattern=USERNAME.pattern, description="1 to 64 of A-Z a-z 0-9 . _ @ -")]


class InvalidSettings(SystemExit):
    """One message that names every fault of the environment, a line each.

    Nothing can go on without settings: where nobody catches it, the process ends with the message, not a traceback.
    """


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting: field `workers` is `PULPO_WORKERS`. A `Secret` may also be given as `…_FILE`."""

    bind: Address = "127.0.0.1:8000"
    data_dir: Path = Path("data")
    redis_url: Secret | None = None
    redis_prefix: Prefix = "pulpo"
    database_url: Secret | None = None
    secret: Secret = Secret("")
    admin_username: Username = "admin"
    admin_password: Secret | None = None
    server: Literal["gunicorn", "granian"] = "gunicorn"
    workers: Annotated[int, Meta(ge=1, le=64)] = 2
    threads: Annotated[int, Meta(ge=4, le=1024)] = 16
    fsync: Literal["everysec", "always"] = "everysec"
    max_message_bytes: Annotated[int, Meta(ge=1, le=1_048_576)] = 262_144
    max_request_bytes: Annotated[int, Meta(ge=1024, le=67_108_864)] = 16_777_216
    max_queues: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    durable_replicas: Annotated[int, Meta(ge=0, le=16)] | None = None
    max_depth: Annotated[int, Meta(ge=1, le=256)] = 128
    token_lifetime_seconds: Annotated[int, Meta(ge=60, le=2_592_000)] = 3600
    token_key_files: str = ""
    identity: Literal["local", "ldap", "cognito", "oidc"] = "local"
    identity_groups: str = ""
    identity_scopes: str = ""
    identity_audience: str = ""
    identity_clients: str = ""
    identity_client_secret: Secret | None = None
    identity_jwks_url: str = ""
    identity_ca_file: str = ""
    ldap_url: str = ""
    ldap_base: str = ""
    ldap_domain: str = ""
    ldap_bind_dn: str = ""
    ldap_bind_password: Secret | None = None
    ldap_user_filter: str = ""
    cognito_pool: str = ""
    cognito_url: str = ""
    oidc_issuer: str = ""
    oidc_username_claim: str = "sub"
    oidc_groups_claim: str = "groups"
    trusted_proxies: str = ""
    metrics_public: bool = False
    audit_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings of this process; raises `InvalidSettings` with all faults at once."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        faults: list[str] = []
        for field in msgspec.structs.fields(cls):
            name = f"PULPO_{field.name.upper()}"
            try:
                text = _text_of(name, environ, may_be_file=field.name in SECRET_FIELDS)
                if text:
                    values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=_convert)
            except msgspec.ValidationError:
                faults.append(f"{name}: must be {_what_may_be(field.type)}")
            except OSError as error:
                faults.append(f"{name}_FILE: {error.filename} cannot be read ({error.strerror})")
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if "secret" not in values:
            values["secret"] = _kept_secret(values.get("data_dir", Path("data")))
        faults += _faults_across(values)
        if faults:
            raise InvalidSettings("Pulpo cannot start:\n" + "\n".join(f"  {fault}" for fault in faults))
        return cls(**values)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that verify tokens; the first one signs."""
        return tuple(part.strip() for part in self.secret.reveal().split(","))

    def token_key_pems(self) -> list[tuple[str, bytes]]:
        """Path and content of each key file; raises `InvalidSettings` if one cannot be read."""
        paths = [part.strip() for part in self.token_key_files.split(",") if part.strip()]
        try:
            return [(path, Path(path).read_bytes()) for path in paths]
        except OSError as error:
            raise InvalidSettings(
                f"PULPO_TOKEN_KEY_FILES: {error.filename} cannot be read ({error.strerror})"
            ) from error

    @property
    def proxy_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """The networks whose word about a client's address is taken."""
        return [ipaddress.ip_network(part.strip()) for part in self.trusted_proxies.split(",") if part.strip()]

    @property
    def rights_by_group(self) -> dict[str, tuple[str, ...]]:
        """Roles and permissions by the groups of users from elsewhere."""
        return _mapping(self.identity_groups)

    @property
    def rights_by_scope(self) -> dict[str, tuple[str, ...]]:
        """Roles and permissions by the scopes of tokens from elsewhere."""
        return _mapping(self.identity_scopes)

    @property
    def identity_client_ids(self) -> tuple[str, ...]:
        """The clients whose tokens count; Pulpo itself is the first."""
        return _parts(self.identity_clients)

    @property
    def ldap_urls(self) -> tuple[str, ...]:
        """The servers of the directory, in the order in which they are tried."""
        return _parts(self.ldap_url)

    @property
    def embeds_redis(self) -> bool:
        """Whether the launcher runs the Redis itself."""
        return self.redis_url is None

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens: in the data directory, or beside it where that path is too long."""
        data_dir = self.data_dir.absolute()
        socket = data_dir / "redis" / "redis.sock"
        if len(os.fsencode(socket)) <= MAX_SOCKET_PATH:
            return socket
        name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"pulpo-{os.getuid()}-{name}" / "redis.sock"

    @property
    def redis_address(self) -> Secret:
        """The URL to connect to, given or embedded."""
        return self.redis_url or Secret(f"unix://{self.redis_socket}")

    @property
    def replicas_of_durable(self) -> int:
        """How many replicas a durable push waits for: as it is set, else 1 where a replica takes over by itself."""
        if self.durable_replicas is not None:
            return self.durable_replicas
        return 0 if parse_redis_url(self.redis_address.reveal()).topology == "standalone" else 1

    @property
    def database_address(self) -> Secret:
        """The SQLAlchemy URL of the user table, given or in the data directory."""
        return self.database_url or Secret(f"sqlite:///{self.data_dir.absolute() / 'pulpo.db'}")


def unknown_settings(environ: Mapping[str, str]) -> list[str]:
    """The PULPO_* names that are no setting. Not a fault: Kubernetes sets such names for a service called pulpo."""
    fields = [field.name.upper() for field in msgspec.structs.fields(Settings)]
    known = {f"PULPO_{name}" for name in fields} | {f"PULPO_{name.upper()}_FILE" for name in SECRET_FIELDS}
    return sorted(name for name in environ if name.startswith("PULPO_") and name not in known)


def _text_of(name: str, environ: Mapping[str, str], *, may_be_file: bool) -> str | None:
    path = environ.get(f"{name}_FILE") if may_be_file else None
    if not path:
        return environ.get(name)
    if environ.get(name):
        raise ValueError(f"is given twice; keep either {name} or {name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip()


def _convert(kind: type, value: str) -> Any:
    return kind(value)  # msgspec knows all others: this is Secret or Path


def _what_may_be(kind: Any) -> str:
    """What a setting takes, in words."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.UnionType(types=(msgspec.inspect.IntType(ge=least, le=most), *_)):
            return f"a whole number from {least} to {most}"
        case msgspec.inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(map(str, values))
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
    return "of another form"


def _kept_secret(data_dir: Path) -> Secret:
    try:
        return Secret((data_dir / SECRET_FILE_NAME).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return Secret("")


def _faults_across(values: dict[str, Any]) -> list[str]:
    faults = []
    secrets = values["secret"].reveal().split(",")
    if secrets == [""]:
        faults.append("PULPO_SECRET: is not set; `python -m app` makes one and keeps it in PULPO_DATA_DIR")
    elif any(len(secret.strip()) < MIN_SECRET_LENGTH for secret in secrets):
        faults.append(f"PULPO_SECRET: each secret needs at least {MIN_SECRET_LENGTH} characters")
    password = values.get("admin_password")
    if password is not None and not is_password(password.reveal()):
        faults.append(f"PULPO_ADMIN_PASSWORD: {PASSWORD_RULE}")
    redis_url = values.get("redis_url")
    if redis_url is not None:
        try:
            parse_redis_url(redis_url.reveal())
        except ValueError as error:
            faults.append(f"PULPO_REDIS_URL: {error}")
    for part in filter(str.strip, values.get("trusted_proxies", "").split(",")):
        try:
            ipaddress.ip_network(part.strip())
        except ValueError as error:
            faults.append(f"PULPO_TRUSTED_PROXIES: {error}")
    if "bind" in values and not 1 <= int(values["bind"].rpartition(":")[2]) <= 65535:
        faults.append("PULPO_BIND: the port must lie between 1 and 65535")
    faults += _faults_of_identity(values)
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)} | values
    if defaults["max_request_bytes"] < defaults["max_message_bytes"]:
        faults.append("PULPO_MAX_REQUEST_BYTES: must not be smaller than PULPO_MAX_MESSAGE_BYTES")
    return faults


def _faults_of_identity(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the settings of a provider: only those of the chosen one are looked at."""
    kind = values.get("identity", "local")
    if kind == "local":
        return []
    faults = [
        f"PULPO_{name.upper()}: {error}"
        for name in ("identity_groups", "identity_scopes")
        if (error := _fault_of_mapping(values.get(name, "")))
    ]
    faults += [
        f"PULPO_{name.upper()}: must be https://, or http:// to this machine itself"
        for name in ("identity_jwks_url", "cognito_url", "oidc_issuer")
        if name in values and not is_safe_url(values[name])
    ]
    needed = {
        "ldap": ("ldap_url", "ldap_base"),
        "cognito": ("cognito_pool", "identity_clients"),
        "oidc": ("oidc_issuer", "identity_clients"),
    }[kind]
    faults += [
        f"PULPO_{name.upper()}: is needed for PULPO_IDENTITY={kind}"
        for name in needed
        if not _parts(values.get(name, ""))
    ]
    return faults + (_faults_of_ldap(values) if kind == "ldap" else _faults_of_cognito(values))


def _faults_of_ldap(values: Mapping[str, Any]) -> list[str]:
    faults = []
    if any("=" not in group for group in _groups(values)):
        faults.append("PULPO_IDENTITY_GROUPS: must name groups by their DNs, such as cn=admins,ou=groups,dc=example")
    if not all(map(_is_ldap_url, _parts(values.get("ldap_url", "")))):
        faults.append("PULPO_LDAP_URL: must be ldaps://host, or ldap://host for StartTLS, several with commas between")
    if ("ldap_bind_dn" in values) != ("ldap_bind_password" in values):
        faults.append("PULPO_LDAP_BIND_DN: needs PULPO_LDAP_BIND_PASSWORD, and that needs it")
    if "ldap_user_filter" in values and not re.fullmatch(r"\(.*\{\}.*\)", values["ldap_user_filter"]):
        faults.append("PULPO_LDAP_USER_FILTER: must be a filter in parentheses with {} for the name, such as (uid={})")
    return faults


def _groups(values: Mapping[str, Any]) -> Iterable[str]:
    with suppress(msgspec.MsgspecError):  # which is a fault of its own
        return _mapping(values.get("identity_groups", ""))
    return ()


def _faults_of_cognito(values: Mapping[str, Any]) -> list[str]:
    if POOL.fullmatch(values.get("cognito_pool", "eu-west-1_0")):
        return []
    return ["PULPO_COGNITO_POOL: must be the id of a user pool, such as eu-west-1_AbCdEfGhI"]


def _is_ldap_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_server = bool(parts.hostname) and parts.port != 0 and parts.path in {"", "/"}
        return parts.scheme in {"ldap", "ldaps"} and is_server
    except ValueError:
        return False


def _fault_of_mapping(text: str) -> str | None:
    try:
        rights = _mapping(text)
    except msgspec.MsgspecError:
        return 'must be JSON such as {"admins": ["admin"], "billing": ["push:invoices.*", "count:*"]}'
    wrong = [word for words in rights.values() for word in words if word not in ROLES and not is_permission(word)]
    if wrong:
        return f"{wrong[0]!r} is neither a role nor a permission"
    return f"must name at most {MOST_MAPPED}" if len(rights) > MOST_MAPPED else None


def _mapping(text: str) -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(text or "{}", type=dict[str, tuple[str, ...]])


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
