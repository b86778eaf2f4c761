"""What it costs to say who a query is, beside libpg_query's own passes over the same text.

python tests/bench/identity.py [ROUNDS]
"""

import sys
import time
import timeit
from collections.abc import Callable

import postgast

from advisor.sql.identify import identify
from advisor.sql.json_tree import json_tree
from advisor.sql.jumble import jumble

COLUMNS = "o.id, o.customer_id, o.status, o.total, o.currency, o.created_at, o.updated_at, o.note"
TEXTS = {
    "8 columns, 2 predicates": f"SELECT {COLUMNS} FROM orders o WHERE o.customer_id = 42 AND o.status = 'open'",
    "with ORDER BY 1 and LIMIT": f"SELECT {COLUMNS} FROM orders o WHERE o.customer_id = $1 ORDER BY 1 LIMIT 20",
    "primary key": "SELECT * FROM orders WHERE id = 42",
    "insert of 8 columns": f"INSERT INTO orders ({COLUMNS.replace('o.', '')}) VALUES (1, 2, 'new', 9.5, 'EUR', now(), "
    "NULL, 'x')",
    "insert of 100 rows": "INSERT INTO t (a, b, c) VALUES " + ", ".join(["(1, 'x', NULL)"] * 100),
    "update": "UPDATE orders SET status = 'paid', updated_at = now(), note = NULL WHERE id = 42",
    "IN of 100": "SELECT id FROM orders WHERE id IN (" + ", ".join(map(str, range(100))) + ")",
    "join, group, CTE": "WITH c AS (SELECT id FROM customers WHERE country = 'DE') SELECT o.status, sum(o.total) "
    "FROM orders o JOIN c ON c.id = o.customer_id WHERE o.created_at >= '2026-01-01' GROUP BY 1 ORDER BY 2 LIMIT 10",
}


def main(rounds: int) -> None:
    """Prints the least microseconds of processor time of each part for every text."""
    names = ("parse", "fingerprint", "normalise", "JSON", "jumble", "identify", "and for a report")
    print(f"{'microseconds':28}", *(f"{name:>16}" for name in names))
    for label, sql in TEXTS.items():
        print(f"{label:28}", *(f"{_microseconds(part, rounds):16.1f}" for part in _parts(sql)))


def _parts(sql: str) -> tuple[Callable[[], object], ...]:
    tree = json_tree(sql)
    return (
        lambda: postgast.parse(sql),
        lambda: postgast.fingerprint(sql),
        lambda: postgast.normalize(sql),
        lambda: json_tree(sql),
        lambda: jumble(tree),
        lambda: identify(sql, "shop"),
        lambda: _reported(sql),
    )


def _reported(sql: str) -> object:
    identity = identify(sql, "shop")
    return identity.fingerprint, identity.sql, identity.tables


def _microseconds(part: Callable[[], object], rounds: int) -> float:
    return min(timeit.repeat(part, timer=time.process_time, number=rounds, repeat=5)) / rounds * 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
