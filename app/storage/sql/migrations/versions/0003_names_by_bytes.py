"""Names in PostgreSQL are put in order by their bytes, as SQLite does, whatever language its server speaks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("users", "username", type_=sa.String(64, collation="C"))
