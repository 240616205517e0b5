"""Pulpo: a message queue over HTTP on the Redis you already run."""

from __future__ import annotations

import logging
import time

from flask import Flask

from app import cli
from app.blueprints import (
    audit,
    console,
    count,
    dead,
    docs,
    health,
    info,
    keys,
    login,
    messages,
    metrics,
    pop,
    push,
    queues,
    root,
    settle,
    users,
)
from app.providers import cognito, issued, oidc
from app.providers.https import Https
from app.services.accounts import Accounts
from app.services.catalog import QueueCatalog
from app.services.dead_letters import DeadLetters
from app.services.health import Health
from app.services.identities import Identities
from app.services.identity.logins import Logins
from app.services.identity.rights import Rights
from app.services.keys import Keys
from app.services.passwords import Passwords
from app.services.ports import IdentityProvider
from app.services.queues import MessageQueue
from app.services.system import Limits, System
from app.services.token_keys import all_of
from app.services.tokens import Tokens
from app.services.waiting import LongPoll
from app.settings import InvalidSettings, Settings
from app.storage.login_limits import RedisLoginLimits
from app.storage.queue_index import QueueIndex
from app.storage.redis_catalog import RedisQueueCatalog
from app.storage.redis_client import connect
from app.storage.redis_dead_letters import RedisDeadLetterStore
from app.storage.redis_hints import RedisHints
from app.storage.redis_probe import RedisHealthProbe
from app.storage.redis_proof import DurabilityProof
from app.storage.redis_queues import RedisQueueStore
from app.storage.sql.audit import SqlAudit
from app.storage.sql.engine import make_engine
from app.storage.sql.keys import SqlKeyStore
from app.storage.sql.users import SqlRevokedTokens, SqlUserStore
from app.web.addresses import TrustedProxies
from app.web.context import EXTENSION, Services, keep_context
from app.web.exchange import Operation
from app.web.fast_door import FastDoor
from app.web.guard import guard
from app.web.operations import check_operations
from app.web.problems import handle_problems

SPARE_THREADS = 2  # a process, so that waiters never keep all from answering

BLUEPRINTS = (
    *(root.bp, health.bp, info.bp, metrics.bp, login.bp),
    *(push.bp, pop.bp, count.bp, settle.bp, dead.bp, queues.bp, messages.bp),
    *(users.bp, keys.bp, audit.bp, docs.bp, console.bp),
)


# What the fast door answers, by the endpoints that are Flask's door to the same.
HOT: dict[str, Operation] = {
    "push.push": push.push_messages,
    "pop.pop": pop.pop_messages,
    "count.count": count.count_messages,
    "settle.ack": settle.ack_messages,
    "settle.nack": settle.nack_messages,
    "settle.extend": settle.extend_messages,
}


def create_app(settings: Settings | None = None, *, fast_door: bool = True) -> Flask:
    """The WSGI application, joined from its layers. Connects to nothing until a request needs it.

    The hot operations are answered before Flask unless there shall be no `fast_door`.

    Raises `InvalidSettings` if none are given and the environment's are faulty.
    """
    settings = settings or Settings.from_env()
    logging.getLogger("app").setLevel(settings.log_level.upper())
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # //push is not a slip that a redirect should mend
    made = app.extensions[EXTENSION] = _services(settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for group in cli.GROUPS:
        app.cli.add_command(group)
    keep_context(app)
    guard(app)
    check_operations(app)
    handle_problems(app)
    if fast_door:
        app.wsgi_app = FastDoor(app, made, HOT)  # type: ignore[method-assign]
    return app


def make_tokens(settings: Settings) -> Tokens:
    """What signs and reads tokens. Raises `InvalidSettings` if the key files are no good."""
    try:
        keys = all_of(settings.secrets, settings.token_key_pems())
        return Tokens(keys, lifetime_seconds=settings.token_lifetime_seconds, now=time.time)
    except ValueError as error:
        raise InvalidSettings(f"PULPO_TOKEN_KEY_FILES: {error}") from error


def make_provider(settings: Settings) -> IdentityProvider | None:
    """What knows users beside the user table; connects to nothing. Raises `InvalidSettings`."""
    if settings.identity == "local":  # to read the certificates that the machine trusts takes longer than all the rest
        return None
    ca_file = settings.identity_ca_file or None
    try:
        if settings.identity == "ldap":
            return _directory(settings, ca_file)
        https = Https(ca_file)
    except OSError as error:
        raise InvalidSettings(f"PULPO_IDENTITY_CA_FILE: {ca_file} holds no certificates ({error})") from error
    secret = settings.identity_client_secret.reveal() if settings.identity_client_secret else None
    if settings.identity == "cognito":
        return cognito.Cognito(
            https,
            settings.cognito_pool,
            audience=settings.identity_audience or None,
            clients=settings.identity_client_ids,
            client_secret=secret,
            url=settings.cognito_url or None,
            jwks_url=settings.identity_jwks_url or None,
            now=time.monotonic,
        )
    expected = issued.Expected(
        "oidc",
        settings.oidc_issuer,
        settings.identity_audience or None,
        settings.identity_client_ids,
        (settings.oidc_username_claim,),
        settings.oidc_groups_claim,
        must_say_use=False,
    )
    return oidc.Oidc(
        https, expected, client_secret=secret, jwks_url=settings.identity_jwks_url or None, now=time.monotonic
    )


def _directory(settings: Settings, ca_file: str | None) -> IdentityProvider:
    try:
        from app.providers.ldap import Finding, Ldap  # noqa: PLC0415 - it is an extra
    except ModuleNotFoundError as error:
        raise InvalidSettings("PULPO_IDENTITY: ldap needs ldap3; install requirements-ldap.txt") from error
    finding = Finding(
        base=settings.ldap_base,
        domain=settings.ldap_domain or None,
        bind_dn=settings.ldap_bind_dn or None,
        bind_password=settings.ldap_bind_password.reveal() if settings.ldap_bind_password else None,
        user_filter=settings.ldap_user_filter or None,
    )
    return Ldap(settings.ldap_urls, finding, tuple(settings.rights_by_group), ca_file=ca_file)


def _services(settings: Settings) -> Services:
    redis, prefix = connect(settings.redis_address.reveal()), settings.redis_prefix
    index = QueueIndex(redis, prefix=prefix, most=settings.max_queues)
    replicas = settings.replicas_of_durable
    probe = RedisHealthProbe(redis, prefix=prefix, replicas=replicas)
    engine = make_engine(settings.database_address.reveal())
    users_table = SqlUserStore(engine)
    audit_log = SqlAudit(engine, days=settings.audit_days)
    api_keys = Keys(SqlKeyStore(engine), settings.secrets, now=time.time)
    tokens = make_tokens(settings)
    provider = make_provider(settings)
    rights = Rights(settings.rights_by_group, settings.rights_by_scope)
    login_limits = RedisLoginLimits(redis, prefix=prefix)
    accounts = Accounts(users_table, Passwords(), audit_log, login_limits)
    limits = Limits(
        max_message_bytes=settings.max_message_bytes,
        max_request_bytes=settings.max_request_bytes,
        max_depth=settings.max_depth,
        token_lifetime_seconds=settings.token_lifetime_seconds,
    )
    return Services(
        queues=MessageQueue(
            RedisQueueStore(redis, index, DurabilityProof(replicas=replicas), prefix=prefix),
            LongPoll(RedisHints(redis, prefix=prefix), most=settings.threads - SPARE_THREADS),
        ),
        catalog=QueueCatalog(RedisQueueCatalog(redis, index, prefix=prefix), audit_log),
        dead_letters=DeadLetters(RedisDeadLetterStore(redis, prefix=prefix), audit_log),
        accounts=accounts,
        logins=Logins(accounts, tokens, audit_log, login_limits, provider=provider, rights=rights),
        keys=api_keys,
        audit=audit_log,
        tokens=tokens,
        identities=Identities(
            tokens,
            api_keys,
            users_table,
            SqlRevokedTokens(engine),
            provider=provider,
            rights=rights,
            now=time.time,
            monotonic=time.monotonic,
        ),
        health=Health(probe, users_table, now=time.monotonic),
        system=System(probe, limits, now=time.time),
        limits=limits,
        proxies=TrustedProxies(settings.proxy_networks),
        metrics_public=settings.metrics_public,
    )
