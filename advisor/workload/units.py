"""Units of work: what one request or job of the application did, statement by statement, in one session.

A unit is a transaction (BEGIN to COMMIT); outside of transactions, the statements of one trace id; else statements
with no pause between them longer than the session's application usually makes (see `gaps`). Finished units are
folded at once, open ones every few hundred statements, so that memory stays flat.
"""

from typing import Any

from advisor.model.event import Event
from advisor.workload.gaps import GapModel
from advisor.workload.repetition import Repetitions, Unit
from advisor.workload.totals import QueryTotals

TOTALS, START, AT, DURATION, SQL, PARAMETERS, ROWS, COVERED = range(8)
"""Fields of a statement of an open unit: a list, because its plan may come after it with the number of rows."""

_ABSORB_AT = 256
"""Statements of an open unit before they are folded into it."""

_PLAN_TOLERANCE_US = 1000
"""A plan's time may exceed its execution's logged duration by rounding and by the clock's steps."""

Statement = list[Any]


class SessionUnits:
    """One session: its open unit, and what the next statement is compared with."""

    __slots__ = ("_repetitions", "_unit", "gaps", "in_transaction", "items", "key", "last_end", "trace", "transaction")

    def __init__(self, key: str, gaps: GapModel, repetitions: Repetitions) -> None:
        self.key = key
        self.gaps = gaps
        self.in_transaction = False
        self.transaction: str | None = None
        self.trace: str | None = None
        self.last_end: int | None = None
        self.items: list[Statement] = []
        self._unit: Unit | None = None
        self._repetitions = repetitions

    def add(self, totals: QueryTotals, event: Event, rows: int | None, trace: str | None) -> None:
        """One statement, which ended at the event's time."""
        _, at, _, transaction, _, _, _, sql, bound, duration, _, _, _, _, _, _, _ = event
        start = None
        if at is not None:
            start = at - duration if duration else at
        role = totals.role
        if self.in_transaction and transaction is not None and self._left_behind(transaction):
            self.close()
            self.in_transaction = False
        if self.in_transaction:
            if role == "end":
                self.close()
                self.in_transaction = False
                self.last_end = at
                return
        elif self._apart(start, trace):
            self.close()
        if role == "work":
            self.trace = trace
            self.items.append([totals, start, at, duration or 0, sql, bound, rows, rows is not None])
            if len(self.items) >= _ABSORB_AT:
                self._absorb(keep=2)
        elif role == "begin":
            self.close()
            self.in_transaction = True
            self.transaction = transaction
        if at is not None:
            self.last_end = at

    def _apart(self, start: int | None, trace: str | None) -> bool:
        """Whether a statement outside of a transaction begins a new unit."""
        if start is None:
            return True
        if self.last_end is None:
            return False
        gap = start - self.last_end
        if gap < 0:
            gap = 0
        self.gaps.add(gap, start)
        if trace is not None or self.trace is not None:
            return trace != self.trace
        return gap > self.gaps.threshold_us

    def _left_behind(self, transaction: str) -> bool:
        """Whether the server is in another transaction than the one whose BEGIN was seen; `N/0` means none."""
        if self.transaction is None or transaction == self.transaction:
            return False
        return not transaction.endswith("/0") and not self.transaction.endswith("/0")

    def attach_plan(self, totals: QueryTotals, duration_us: int | None, rows: int | None) -> bool:
        """Gives a plan to the execution it belongs to, one of the last two; False where that is not there."""
        for item in self.items[:-3:-1]:
            if item[TOTALS] is totals and not item[COVERED]:
                if duration_us is not None and item[DURATION] and duration_us > item[DURATION] + _PLAN_TOLERANCE_US:
                    continue
                item[COVERED] = True
                if rows is not None and item[ROWS] is None:
                    item[ROWS] = rows
                    totals.add_rows(rows)
                return True
        return False

    def _absorb(self, keep: int) -> None:
        unit = self._unit
        if unit is None:
            unit = self._unit = Unit(self.key)
        cut = len(self.items) - keep
        unit.absorb(self.items[:cut])
        del self.items[:cut]

    def close(self) -> None:
        """Ends the open unit."""
        items = self.items
        if self._unit is not None or len({item[TOTALS] for item in items}) < len(items):
            self._absorb(keep=0)
            assert self._unit is not None
            self._repetitions.fold(self._unit)
        else:
            if len(items) > 1:
                self._repetitions.fold_distinct(items)
            items.clear()
        self._unit = None
        self.trace = None
