"""The table of servers: it is of the servers that the suite is run on, and no test failed there."""

from __future__ import annotations

from tests.servers.programs import SERVERS
from tests.servers.suite import BEGIN, END, HEAD, PAGE, cells


def test_the_table_has_a_row_for_each_server_and_none_where_a_test_failed() -> None:
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [cells(line) for line in table.splitlines() if line.startswith("|")]
    assert rows[0] == list(HEAD)
    assert [row[0] for row in rows[2:]] == [server.name for server in SERVERS]
    assert all(int(row[HEAD.index("passed")]) > 0 and row[HEAD.index("failed")] == "0" for row in rows[2:])
