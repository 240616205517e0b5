"""The operator's commands: flask --app wsgi users|queues|keys …"""

from __future__ import annotations

from app.cli.keys import keys
from app.cli.queues import queues
from app.cli.users import users

GROUPS = (users, queues, keys)
