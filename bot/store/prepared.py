"""Statements compiled once for each database and run at the driver: those that a family's answer waits for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import ReturnsRows

Row = TypeVar("Row")

_Convert = Callable[[Any], Any]


class Change:
    """An INSERT, UPDATE or DELETE of which only the values change: each is a `bindparam`, or one of *columns*.

    By way of a session a statement costs 50 to 180 us, so 5 to 45, and a turn is eight of them. Values are
    converted as the columns' types say, on both databases, and errors are SQLAlchemy's. No value can be
    a list. Nothing is flushed before, and no object that the session holds is refreshed after.
    """

    def __init__(self, statement: ReturnsRows, *, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, session: Session, **values: Any) -> int:
        """Run it for its effect; returns how many rows it touched."""
        connection = _connection_of(session)
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, compiled.bind(values))
            return int(cursor.rowcount)
        except compiled.driver_error as wrong:
            raise compiled.told(wrong) from wrong
        finally:
            cursor.close()

    def run_all(self, session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each row of values."""
        connection = _connection_of(session)
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(compiled.sql, [compiled.bind(values) for values in rows])
        except compiled.driver_error as wrong:
            raise compiled.told(wrong) from wrong
        finally:
            cursor.close()

    def _for(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self._statement, self._columns, dialect)
        return found


class Query(Change, Generic[Row]):
    """The same for what gives rows: a SELECT, or a change that returns something. *row* makes a row of its columns."""

    def __init__(
        self, statement: ReturnsRows, row: Callable[..., Row], *, columns: Sequence[str] = ()
    ) -> None:
        super().__init__(statement, columns=columns)
        self._row = row

    def all(self, session: Session, **values: Any) -> list[Row]:
        connection = _connection_of(session)
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, compiled.bind(values))
            found = cursor.fetchall()
        except compiled.driver_error as wrong:
            raise compiled.told(wrong) from wrong
        finally:
            cursor.close()
        return [self._row(*compiled.convert(each)) for each in found]

    def first(self, session: Session, **values: Any) -> Row | None:
        found = self.all(session, **values)
        return found[0] if found else None

    def one(self, session: Session, **values: Any) -> Row:
        """The row that must be there, such as what an INSERT returns. Raises NoResultFound when it is not."""
        found = self.all(session, **values)
        if not found:
            raise NoResultFound(f"no row was found by: {self._statement}")
        return found[0]


def _connection_of(session: Session) -> Connection:
    """The connection the session's transaction is on. Asking the session costs more than most statements."""
    bound = session.bind
    if isinstance(bound, Connection) and bound.in_transaction():
        return bound
    return session.connection()


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in one database's words, with what turns our values into the driver's and back.

    `filled` is what the driver gets, a list by position or a dictionary by name, with everything in it
    that never changes; `changing` says which value goes where, and how it is converted.
    """

    sql: str
    dialect: Dialect
    driver_error: type[Exception]
    filled: Any
    changing: tuple[tuple[int | str, str, _Convert | None], ...]
    results: tuple[tuple[int, _Convert], ...]

    def bind(self, values: Mapping[str, Any]) -> Any:
        filled = self.filled.copy()
        for place, name, convert in self.changing:
            filled[place] = convert(values[name]) if convert else values[name]
        return filled

    def convert(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.results:
            return row
        converted = list(row)
        for position, convert in self.results:
            converted[position] = convert(converted[position])
        return converted

    def told(self, wrong: Exception) -> BaseException:
        """The driver's error as SQLAlchemy names it, without the values: those are families' words."""
        told: BaseException = DBAPIError.instance(
            self.sql, None, wrong, self.driver_error, hide_parameters=True, dialect=self.dialect
        )
        return told


def _compile(statement: ReturnsRows, columns: Sequence[str], dialect: Dialect) -> _Compiled:
    # As for many rows at once: then nothing is returned but what the statement itself asks for.
    compiled: Any = statement.compile(
        dialect=dialect, column_keys=list(columns) or None, for_executemany=True
    )
    if compiled.post_compile_params:
        raise TypeError(f"a prepared statement takes no list: {compiled}")
    by_default = {column.key: column.default for column in compiled.insert_prefetch}
    at = compiled.positiontup if compiled.positional else list(compiled.binds)
    filled: Any = [None] * len(at) if compiled.positional else dict.fromkeys(at)
    changing: list[tuple[int | str, str, _Convert | None]] = []
    for position, name in enumerate(at):
        place = position if compiled.positional else name
        bound = compiled.binds[name]
        convert = bound.type.dialect_impl(dialect).bind_processor(dialect)
        if bound.required:
            changing.append((place, bound.key, convert))
            continue
        always = by_default[name].arg if name in by_default else bound.effective_value
        if callable(always):
            raise TypeError(f"a prepared statement must be given a value for {name}: {compiled}")
        filled[place] = convert(always) if convert else always
    results = [
        column.type.dialect_impl(dialect).result_processor(dialect, None)
        for column in statement.exported_columns
    ]
    driver: Any = dialect.loaded_dbapi
    return _Compiled(
        sql=str(compiled),
        dialect=dialect,
        driver_error=driver.Error,
        filled=filled,
        changing=tuple(changing),
        results=tuple((place, convert) for place, convert in enumerate(results) if convert),
    )
