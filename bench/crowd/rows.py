"""Rows of the hub's database for servers that run, without starting each: copies of a real one's.

One server is started by the hub itself; whatever rows the hub made for it are copied under other
names. The copies share the secret of its OAuth client, whose hash takes the hub 10 ms.
"""

import json
from collections.abc import Sequence
from typing import Any

from jupyterhub.utils import hash_token
from sqlalchemy import Connection, MetaData, Table, func, insert, select

from bench.crowd.servers import token_of

Row = dict[str, Any]
BATCH = 500


def copy_server(connection: Connection, pattern: str, names: Sequence[str]) -> None:
    """Give everybody in `names` what `pattern` has: person, server, client, tokens, group, roles.

    Args:
        connection: to the hub's database, in a transaction; the hub does not run.
        pattern: user name of somebody with one running server.
        names: who are to have one too; the hub does not know them yet.
    """
    tables = MetaData()
    tables.reflect(connection)
    for start in range(0, len(names), BATCH):
        _copy(connection, tables.tables, pattern, names[start : start + BATCH])
    if connection.dialect.name == "postgresql":
        for name in ("users", "servers", "spawners", "oauth_clients", "api_tokens"):
            last = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"
            connection.exec_driver_sql(last)
        connection.exec_driver_sql("ANALYZE")  # as it does by itself where rows come one by one


def _copy(connection: Connection, tables: Any, pattern: str, names: Sequence[str]) -> None:
    (user,) = _rows(connection, tables["users"], "name", pattern)
    (spawner,) = _rows(connection, tables["spawners"], "user_id", user["id"])
    (server,) = _rows(connection, tables["servers"], "id", spawner["server_id"])
    client = _rows(connection, tables["oauth_clients"], "identifier", spawner["oauth_client_id"])
    tokens = _rows(connection, tables["api_tokens"], "user_id", user["id"])
    # The server's own token, and none of its person's browsers.
    token = next(each for each in tokens if each["note"].startswith("Server at"))

    def added(name: str, row: Row, **changes: list[Any]) -> list[int]:
        """Copies of a row, one for each name, with these columns different; their ids."""
        table = tables[name]
        first = 1 + (connection.scalar(select(func.max(table.c.id))) or 0)
        ids = list(range(first, first + len(names)))
        copies = [
            _renamed(row, pattern, who)
            | {column: values[place] for column, values in changes.items()}
            | {"id": ids[place]}
            for place, who in enumerate(names)
        ]
        connection.execute(insert(table), copies)
        return ids

    users = added("users", user, cookie_id=[token_of(f"cookie {name}") for name in names])
    servers = added("servers", server)
    added("oauth_clients", client[0])
    added("spawners", spawner, user_id=users, server_id=servers)
    secrets = [token_of(name) for name in names]
    added(
        "api_tokens",
        token,
        user_id=users,
        hashed=[hash_token(each, rounds=1, salt=b"") for each in secrets],
        prefix=[each[:4] for each in secrets],
    )
    for name in ("user_group_map", "user_role_map"):
        held = _rows(connection, tables[name], "user_id", user["id"])
        connection.execute(
            insert(tables[name]), [row | {"user_id": new} for row in held for new in users]
        )


def _rows(connection: Connection, table: Table, column: str, value: object) -> list[Row]:
    found = connection.execute(select(table).where(table.c[column] == value))
    return [dict(row._mapping) for row in found]


def _renamed(row: Row, pattern: str, name: str) -> Row:
    """The row with another name wherever the pattern's stands in a text."""

    def new(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(pattern, name)
        if isinstance(value, (list, dict)):
            return json.loads(json.dumps(value).replace(pattern, name))
        return value

    return {column: new(value) for column, value in row.items()}
