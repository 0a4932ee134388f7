"""
Statements that every record needs, built once.

To build a statement costs the ORM several times what the database needs to execute it, and a worker runs the same few
all day long. Here the query is written as ever, with a ``Parameter`` where a value goes, and only the values are new
each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

# The objects of one table and, for an UPDATE, what is written of them.
Statement = tuple[QuerySet[Any], Mapping[str, Any]]


class Parameter(Expression):
    """Where a value goes, that is compared with a column of a model or written into it."""

    def __init__(self, model: type[Model], name: str) -> None:
        field: Any = model._meta.get_field(name)
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", [self]

    def prepare(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        return self.output_field.get_db_prep_save(value, connection)


def parameters(model: type[Model], *names: str) -> dict[str, Parameter]:
    """Return where the values of columns go, by the columns' names."""
    return {name: Parameter(model, name) for name in names}


@dataclass(frozen=True, slots=True)
class _Built:
    sql: str
    parameters: Sequence[Any]
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Expression]]
    """By the column's position, what makes a field's value of the database's."""


class Prepared:
    """
    A statement, from what ``build`` returns for the alias of a database.

    ``has_time`` says that the database's clock is asked. Elsewhere than on PostgreSQL that is a value like others,
    and the statement is built anew each time.
    """

    def __init__(self, build: Callable[[str], Statement], *, has_time: bool = False) -> None:
        self._build = build
        self._has_time = has_time
        # In a transaction of the caller's it may be another statement, see ``unhurried``.
        self._built: dict[tuple[str, bool], _Built] = {}

    def update(self, using: str, **values: Any) -> int:
        """Write, and return how many rows there were."""
        connection = connections[using]
        with connection.cursor() as cursor:
            self._execute(cursor, connection, values)
            return int(cursor.rowcount)

    def first(self, using: str, **values: Any) -> tuple[Any, ...] | None:
        """Return the columns of the first row, None where there is none."""
        connection = connections[using]
        with connection.cursor() as cursor:
            built = self._execute(cursor, connection, values)
            row = cursor.fetchone()
        if row is None:
            return None
        columns = list(row)
        for position, functions, expression in built.converters:
            for convert in functions:
                columns[position] = convert(columns[position], expression, connection)
        return tuple(columns)

    def _execute(self, cursor: CursorWrapper, connection: BaseDatabaseWrapper, values: Mapping[str, Any]) -> _Built:
        key = connection.alias, connection.get_autocommit()
        built = self._built.get(key) or self._compile(connection.alias)
        if not self._has_time or connection.vendor == "postgresql":
            self._built[key] = built
        given = [
            parameter.prepare(values[parameter.name], connection) if isinstance(parameter, Parameter) else parameter
            for parameter in built.parameters
        ]
        cursor.execute(built.sql, given)
        return built

    def _compile(self, using: str) -> _Built:
        objects, changes = self._build(using)
        query: Any = objects.query
        if changes:
            query = query.chain(UpdateQuery)
            query.add_update_values(changes)
        compiler = query.get_compiler(using)
        sql, parameters = compiler.as_sql()
        columns = [] if changes else [column for column, *_ in compiler.select]
        converters = compiler.get_converters(columns).items()
        return _Built(sql, tuple(parameters), [(position, *converter) for position, converter in converters])
