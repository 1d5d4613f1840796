"""Whose turn it is to write into a table of the course database."""

from sqlalchemy import Connection, Table


def lock(connection: Connection, table: Table) -> None:
    """Let nobody else write to `table` until this transaction, which begins here, ends.

    Whoever comes second waits; reading goes on.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f'LOCK TABLE "{table.name}" IN EXCLUSIVE MODE')
