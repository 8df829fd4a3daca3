"""How are instants, closed sets and JSON stored, on SQLite and on PostgreSQL alike?

Instants are UTC: ISO text of fixed width on SQLite (sorts as time), `timestamptz` on PostgreSQL; naive is refused.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Enum, MetaData, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; a naive one is a programming error and refused."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Pick `timestamptz` on PostgreSQL and text elsewhere."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn an aware instant into what the database stores."""
        if value is None:
            return None
        return _aware(value) if dialect.name == "postgresql" else Instant.as_text(value)

    @staticmethod
    def as_text(value: datetime) -> str:
        """Return an aware instant as SQLite keeps it."""
        return _aware(value).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn what the database stores into an aware instant."""
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value.astimezone(UTC) if isinstance(value, datetime) else None


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"naive datetime refused: {value!r}")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


class House(SQLModel):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


def instant(*, null: bool = True, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Instant(), nullable=null, index=index))


def unsigned(*, null: bool = False) -> Any:
    """Return a column for what IMAP counts in 32 bits without sign, which PostgreSQL's INTEGER cannot hold."""
    return Field(default=None if null else 0, sa_column=Column(BigInteger, nullable=null))


def closed(kind: type[StrEnum], *, null: bool = False) -> Any:
    column = Enum(kind, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])
    return Field(default=None, sa_column=Column(column, nullable=null))


def json(*, mapping: bool = False) -> Any:
    empty = dict if mapping else list
    return Field(default_factory=empty, sa_column=Column(JSON, nullable=False, default=empty))
