"""Plans as people paste them. The corpus is not part of the project; without it these tests are skipped."""

import json
import os
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.model.plan import Plan, walk
from advisor.plans.document import plan_of
from advisor.plans.parse import format_of, parse_plans

CORPUS = Path(os.environ.get("ADVISOR_PLAN_CORPUS", Path(__file__).resolve().parents[4] / "shared/corpus/plans/pev2"))
READ = {"text": 143, "json": 28}
"""Pastes that are read, by format. One JSON paste is cut off in the middle and is refused."""

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of plans is not here")


def pastes() -> list[Path]:
    others = ("expect", "query", "LICENSE")
    return [p for p in sorted(CORPUS.rglob("*")) if p.is_file() and not any(word in p.name for word in others)]


def test_reads_the_pastes() -> None:
    count = {"text": 0, "json": 0}
    for path in pastes():
        text = path.read_text()
        try:
            plans = parse_plans(text)
        except InputError:
            continue
        assert len(plans) == 1, path
        count[format_of(text)] += 1
    assert count == READ


def shape(plan: Plan) -> list[tuple[object, ...]]:
    return [
        (node.relation and node.relation.name, node.startup_cost, node.total_cost, node.plan_rows, node.actual_rows,
         node.actual_loops, node.actual_total_ms, node.filter, node.sort_key, node.group_key, node.subplan_name)
        for _, node in walk(plan.root)
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(1, 26))
def test_reads_what_the_corpus_expects(number: int) -> None:
    paste = CORPUS / "from-text" / f"{number:02}-plan"
    [plan] = parse_plans(paste.read_text())
    expected = plan_of(json.loads(paste.with_name(f"{number:02}-expect").read_text()))
    assert shape(plan) == shape(expected)
