"""The column types all tables share. Times are UTC milliseconds as whole numbers; JSON is canonical text.

JSON is text on every database, so that digests of it are the same everywhere. This module knows no table.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column

from perceptlm.config import canonical_json


class JsonText(TypeDecorator[Any]):
    """A JSON value as its canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text of a value."""
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Return the value of a text."""
        return None if value is None else json.loads(value)


WholeNumber = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on every database; SQLite numbers rows by itself only in a column of this name."""

RowKey = Annotated[int, mapped_column(WholeNumber, primary_key=True, autoincrement=True)]
Time = Annotated[int, mapped_column(WholeNumber)]
Number = Annotated[int, mapped_column(WholeNumber)]
Json = Annotated[Any, mapped_column(JsonText())]
LongText = Annotated[str, mapped_column(Text())]


class Base(DeclarativeBase):
    """Base of all tables; constraints are named, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
