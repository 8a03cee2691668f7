"""A page of the desk asks the database as often after months as after weeks, and reads no more of it."""

import pytest
from sqlalchemy import text

from benchmarks import desk, year
from bot.store.session import Database
from bot.store.tables import Table

pytestmark = pytest.mark.postgres  # SQLite does not tell how many rows were read

STUDENTS = 150
Costs = tuple[dict[str, desk.Cost], dict[str, desk.Cost]]


@pytest.fixture(scope="module")
def costs(_postgres: Database) -> Costs:
    """What each page costs with six weeks behind it, and with eighteen."""
    found = []
    for days in (30, 90):
        member = year.build(_postgres, STUDENTS, days=days)
        found.append(desk.cost(_postgres, desk.desk(_postgres, member)))
        names = ", ".join(table.name for table in Table.metadata.sorted_tables)
        with _postgres.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    return found[0], found[1]


@pytest.mark.parametrize("page", desk.PAGES)
def test_no_page_asks_more_often_for_a_longer_history(costs: Costs, page: str) -> None:
    short, long = costs

    assert 0 < long[page].statements <= short[page].statements + 1
    assert long[page].statements < 80


@pytest.mark.parametrize("page", desk.PAGES)
def test_no_page_reads_a_longer_history(costs: Costs, page: str) -> None:
    """A family's page holds its newest entries, and comes to its full length only with some talks behind it."""
    short, long = costs
    full = 260 if page == "family" else 20

    assert long[page].rows <= max(short[page].rows * 1.2 + 20, full)
