"""The base of the comparison: a queue in ten lines of Flask, without login, checks, leases or limits."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from redis import Redis

app = Flask(__name__)
redis = Redis.from_url(os.environ["BARE_REDIS_URL"])


@app.post("/push")
def push() -> Response:
    redis.rpush("bare", request.get_data())
    return Response('{"pushed": true}', 201, mimetype="application/json")


@app.post("/pop")
def pop() -> Response:
    message: bytes | None = redis.lpop("bare")  # type: ignore[assignment]
    return Response(message or b"null", mimetype="application/json")
