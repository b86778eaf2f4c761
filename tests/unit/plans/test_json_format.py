"""The JSON format, with what surrounds it."""

import json
from typing import Any

import pytest

from advisor.errors import InputError
from advisor.plans.parse import parse_plans

NODE: dict[str, Any] = {
    "Node Type": "Seq Scan",
    "Relation Name": "t",
    "Alias": "t",
    "Startup Cost": 0.0,
    "Total Cost": 1.5,
    "Plan Rows": 7,
    "Plan Width": 4,
    "Filter": "(kind = ANY ('{a,\"b\"}'::text[]))",
}
DOCUMENT = {"Plan": NODE}


@pytest.mark.parametrize(
    ("text", "plans"),
    [
        (json.dumps([DOCUMENT]), 1),
        (json.dumps(DOCUMENT), 1),
        (json.dumps(NODE), 1),
        (json.dumps([DOCUMENT, DOCUMENT]), 2),
        (json.dumps([DOCUMENT]) + "\n" + json.dumps(DOCUMENT), 2),
        ("EXPLAIN (FORMAT JSON) SELECT '[';\n" + json.dumps([DOCUMENT], indent=2) + "\n(1 row)\n", 1),
        ("  QUERY PLAN  \n-------\n" + json.dumps([DOCUMENT], indent=2).replace("\n", "   +\n") + "\n(1 row)", 1),
        ('"' + json.dumps([DOCUMENT], indent=2).replace('"', '""') + '"', 1),
    ],
)
def test_whatever_surrounds_it(text: str, plans: int) -> None:
    read = parse_plans(text)
    assert [plan.root.filter for plan in read] == [NODE["Filter"]] * plans
    assert read[0].root.plan_rows == 7.0


def test_auto_explain_has_the_statement() -> None:
    [plan] = parse_plans(json.dumps({"Query Text": "SELECT 1;\n-- {", "Query Parameters": "$1 = '2'", "Plan": NODE}))
    assert (plan.query_text, plan.query_parameters) == ("SELECT 1;\n-- {", "$1 = '2'")


@pytest.mark.parametrize(
    "text",
    [
        '[{"Plan": {"Node Type": "Seq Scan",',
        '[{"Plan": {"Total Cost": 1}}]',
        '[{"Plan": {"Node Type": "Seq Scan", "Plans": 7}}]',
        '[{"Plan": {"Node Type": "Seq Scan", "Total Cost": "much"}}]',
        '[{"Plan": {"Node Type": "Seq Scan"}, "Settings": []}]'.replace("[]}", '["a"]}'),
        '[{"Plan": {"Node Type": "Sort", "Plans": [' * 3000,
    ],
)
def test_what_is_broken_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_plans(text)


def test_a_tree_deeper_than_anybody_reads_is_refused() -> None:
    text = '{"Node Type": "Sort", "Plans": [' * 600 + '{"Node Type": "Result"}' + "]}" * 600
    with pytest.raises(InputError, match="deep"):
        parse_plans('{"Plan": ' + text + "}")
