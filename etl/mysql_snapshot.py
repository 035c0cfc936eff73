"""MariaDB and MySQL: one snapshot of every table whose engine knows transactions, and a watch over those whose engine does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from etl.errors import UserError

WITHOUT_SNAPSHOTS: Final = """
SELECT table_name, engine, table_rows FROM information_schema.tables JOIN information_schema.engines USING (engine)
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND transactions <> 'YES'
"""
CHANGED_SINCE: Final = f"{WITHOUT_SNAPSHOTS} AND update_time >= :begun"
"""Their time of change has whole seconds: one written to in the second before the first read counts as well."""


@contextmanager
def mysql_snapshot(connection: sa.Connection) -> Iterator[None]:
    """Reads of one moment; TIMESTAMP columns are told in UTC.

    Raises:
        UserError: at the end, a table without transactions (MyISAM, Aria) was written to meanwhile.
    """
    connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.exec_driver_sql("SET time_zone = '+00:00'")
    begun = connection.exec_driver_sql("SELECT CAST(NOW() AS CHAR)").scalar_one()
    before = set(connection.exec_driver_sql(WITHOUT_SNAPSHOTS).tuples())
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    yield
    # The tables of tables are always those of now, inside a transaction too.
    changed = set(connection.exec_driver_sql(WITHOUT_SNAPSHOTS).tuples()) ^ before
    changed |= set(connection.execute(sa.text(CHANGED_SINCE), {"begun": begun}).tuples())
    if changed:
        name, engine, _ = min(changed, key=str)
        advice = f"run again when it rests, or make it InnoDB: {engine} knows no snapshots"
        raise UserError(f"table {name!r} was written to while it was read: {advice}")
