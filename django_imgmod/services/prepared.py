"""
Statements that every record needs, built once.

To build a statement costs the ORM several times what the database needs to execute it, and a worker runs the same few
all day long. Here the query is written as ever, with a ``Parameter`` where a value goes, and only the values are new
each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

# The objects of one table and, for an UPDATE, what is written of them.
Statement = tuple[QuerySet[Any], Mapping[str, Any]]
Built = tuple[str, tuple[Any, ...]]


class Parameter(Expression):
    """Where a value goes, that is compared with a column of a model or written into it."""

    def __init__(self, model: type[Model], name: str) -> None:
        field: Any = model._meta.get_field(name)
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", [self]

    def prepare(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        return self.output_field.get_db_prep_value(value, connection)


class Prepared:
    """A statement, from what ``build`` returns for the alias of a database."""

    def __init__(self, build: Callable[[str], Statement]) -> None:
        self._build = build
        self._built: dict[str, Built] = {}

    def update(self, using: str, **values: Any) -> int:
        """Write, and return how many rows there were."""
        with connections[using].cursor() as cursor:
            cursor.execute(*self._statement(using, values))
            return int(cursor.rowcount)

    def first(self, using: str, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row of columns as the database gives them, None where there is none."""
        with connections[using].cursor() as cursor:
            cursor.execute(*self._statement(using, values))
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def _statement(self, using: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        connection = connections[using]
        sql, parameters = self._built.get(using) or self._compile(using)
        if connection.vendor == "postgresql":
            # Elsewhere the time is a parameter of its own: that of when the statement was built.
            self._built[using] = sql, parameters
        return sql, [
            parameter.prepare(values[parameter.name], connection) if isinstance(parameter, Parameter) else parameter
            for parameter in parameters
        ]

    def _compile(self, using: str) -> Built:
        objects, changes = self._build(using)
        query: Any = objects.query
        if changes:
            query = query.chain(UpdateQuery)
            query.add_update_values(changes)
        sql, parameters = query.get_compiler(using).as_sql()
        return sql, tuple(parameters)
