"""False alarms and misses of `advisor diff` on simulated servers: python -m tests.bench.diff [PAIRS [WORLD...]]."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from advisor.model.difference import Change as Kind
from advisor.workload.difference import compare
from tests.unit.workload.simulated import Change, World, query_id, simulate

WORLDS: Mapping[str, World] = {
    "24 h": World(),
    "24 h, another day (20 %)": World(unseen_sd=0.2),
    "1 h": World(old_hours=1, new_hours=1),
    "6 h": World(old_hours=6, new_hours=6),
    "24 h, busier hours": World(load_sd=0.4, own_sd=0.12, correlation=0.8),
    "24 h, wide latencies": World(width=1.5),
    "24 h, another day (10 %)": World(unseen_sd=0.1),
    "24 h, 5 times the traffic": World(traffic=5.0, busiest=100),
    "24 h, everything 1.3x": World(everything=1.3),
    "6 h by night, 6 h by day": World(old_hours=6, new_hours=6, new_begins=10),
    "24 h, few calls": World(busiest=20),
    "24 h, 4 queries": World(queries=4),
    "7 days": World(old_hours=168, new_hours=168, busiest=60),
}
CHANGED = {3: Change(time=1.5), 10: Change(time=1.5), 30: Change(time=1.5), 17: Change(time=1 / 1.5)}
TAILS = {3: Change(tail=8.0), 10: Change(tail=8.0)}
CALLS = {5: Change(calls=3.0), 12: Change(calls=1 / 3)}
KINDS = ("slower", "faster", "slower_tail", "faster_tail", "more_calls", "fewer_calls", "new", "vanished")


def told(world: World, seed: int, changes: Mapping[int, Change]) -> tuple[Counter[str], set[tuple[str, Kind]], bool]:
    """(untrue changes by kind, true ones found as (id, kind), whether all was said to be slower or faster)."""
    found = compare(*simulate(world, seed, changes))
    changed = {query_id(number) for number in changes}
    false: Counter[str] = Counter()
    true: set[tuple[str, Kind]] = set()
    for query in found.queries:
        side = query.new or query.old
        assert side is not None
        for change in query.changes:
            if change in KINDS and side.id in changed:
                true.add((side.id, change))
            elif change in KINDS:
                false[change] += 1
    return false, true, found.common.time_changed


def main(pairs: int, names: Sequence[str]) -> None:
    print(f"{pairs} pairs each, of 50 queries")
    for name in names or WORLDS:
        world = WORLDS[name]
        alarms, runs, common = Counter[str](), 0, 0
        for seed in range(pairs):
            false, _, everything = told(world, seed, {})
            alarms += false
            runs += bool(false)
            common += everything
        rates = f"pairs with a false alarm {runs / pairs:6.1%}; all slower/faster {common / pairs:6.1%}"
        print(f"{name:28} nothing changed: {rates}", dict(alarms), flush=True)
        for label, changes in (("1.5x", CHANGED), ("tail", TAILS), ("calls", CALLS)):
            if world.queries <= max(changes):
                continue
            alarms, hits = Counter[str](), Counter[str]()
            some = max(1, pairs // 8)
            for seed in range(some):
                false, true, _ = told(world, 10_000 + seed, changes)
                alarms += false
                hits.update(f"{int(key, 16)} {kind}" for key, kind in true)
            shares = {key: f"{count / some:.0%}" for key, count in sorted(hits.items())}
            print(f"{'':28} {label}: found {shares}; false {sum(alarms.values()) / some:.2f} a pair", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2:])
