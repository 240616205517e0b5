"""Pulpo: a message queue over HTTP on the Redis you already run."""

from __future__ import annotations

import logging
import time

from flask import Flask

from app.blueprints import count, dead, health, info, login, pop, push, queues, root, settle
from app.cli import users
from app.services.accounts import Accounts
from app.services.dead_letters import DeadLetters
from app.services.health import Health
from app.services.identities import Identities
from app.services.passwords import Passwords
from app.services.queues import MessageQueue
from app.services.system import Limits, System
from app.services.tokens import Tokens
from app.services.waiting import LongPoll
from app.settings import Settings
from app.storage.redis_client import connect
from app.storage.redis_dead_letters import RedisDeadLetterStore
from app.storage.redis_hints import RedisHints
from app.storage.redis_probe import RedisHealthProbe
from app.storage.redis_queues import RedisQueueStore
from app.storage.sql.engine import make_engine
from app.storage.sql.users import SqlRevokedTokens, SqlUserStore
from app.web.access_log import log_access
from app.web.context import EXTENSION, Services, keep_context
from app.web.guard import guard
from app.web.problems import handle_problems

SPARE_THREADS = 2  # a process, so that waiters never keep all from answering

BLUEPRINTS = (root.bp, health.bp, info.bp, login.bp, push.bp, pop.bp, count.bp, settle.bp, dead.bp, queues.bp)


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application, joined from its layers. Connects to nothing until a request needs it.

    Raises `InvalidSettings` if none are given and the environment's are faulty.
    """
    settings = settings or Settings.from_env()
    logging.getLogger("app").setLevel(settings.log_level.upper())
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # //push is not a slip that a redirect should mend
    app.extensions[EXTENSION] = _services(settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.cli.add_command(users)
    keep_context(app)
    guard(app)
    log_access(app)
    handle_problems(app)
    return app


def _services(settings: Settings) -> Services:
    redis = connect(settings.redis_address.reveal())
    probe = RedisHealthProbe(redis, prefix=settings.redis_prefix)
    engine = make_engine(settings.database_address.reveal())
    users_table = SqlUserStore(engine)
    tokens = Tokens(settings.secrets, lifetime_seconds=settings.token_lifetime_seconds, now=time.time)
    limits = Limits(
        max_message_bytes=settings.max_message_bytes,
        max_request_bytes=settings.max_request_bytes,
        max_depth=settings.max_depth,
        token_lifetime_seconds=settings.token_lifetime_seconds,
    )
    return Services(
        queues=MessageQueue(
            RedisQueueStore(redis, prefix=settings.redis_prefix),
            LongPoll(RedisHints(redis, prefix=settings.redis_prefix), most=settings.threads - SPARE_THREADS),
        ),
        dead_letters=DeadLetters(RedisDeadLetterStore(redis, prefix=settings.redis_prefix)),
        accounts=Accounts(users_table, Passwords()),
        tokens=tokens,
        identities=Identities(tokens, users_table, SqlRevokedTokens(engine), now=time.time, monotonic=time.monotonic),
        health=Health(probe, users_table, now=time.monotonic),
        system=System(probe, limits, now=time.time),
        limits=limits,
    )
