"""Errors of a driver as the layer's, where statements go straight to the driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def driver_errors(connection: Connection) -> Iterator[None]:
    """Errors of the driver inside are raised as SQLAlchemy's, as if the layer had run the
    statement."""
    try:
        yield
    except Exception as error:
        raise_as_layer(connection, error)


def raise_as_layer(connection: Connection, error: Exception) -> NoReturn:
    """Raise an error of the driver as SQLAlchemy's, any other as it is; for use in `except`."""
    dialect = connection.dialect
    errors: Any = dialect.loaded_dbapi.Error
    if not isinstance(error, errors):
        raise error
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if lost:
        connection.invalidate(error)
    raise DBAPIError.instance(
        None,
        None,
        error,
        errors,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    ) from error
