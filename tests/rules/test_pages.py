"""The house style of rules: a page with its headings, a short function, a name that fits, and cases."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from advisor.engine.registry import load_rules
from advisor.engine.rule import PAGE_HEADINGS, Rule
from tests.rules.cases import FOLDER, read_cases

MAX_FILE_LINES = 120
MAX_FUNCTION_LINES = 40
MIN_FIRES = 2
MIN_QUIET = 3

RULES = load_rules()


def source_of(rule: Rule) -> Path:
    return Path(inspect.getfile(rule.check))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_has_its_headings_in_order_each_with_text(rule: Rule) -> None:
    sections = re.split(r"^## (.+)$", inspect.cleandoc(rule.page), flags=re.MULTILINE)
    assert tuple(sections[1::2]) == PAGE_HEADINGS
    assert all(text.strip() for text in sections[::2])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_file_is_named_for_the_rule_and_short(rule: Rule) -> None:
    path = source_of(rule)
    assert path.stem == f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_functions_are_short(rule: Rule) -> None:
    tree = ast.parse(source_of(rule).read_text())
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length >= MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_file_imports_values_the_engine_and_sql_only(rule: Rule) -> None:
    tree = ast.parse(source_of(rule).read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in modules if module.split(".")[0] in {"advisor", "advisor_rules"}}
    assert all(module.startswith(("advisor.engine", "advisor.sql", "advisor.model")) for module in ours)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_rule_has_cases_of_both_kinds(rule: Rule) -> None:
    cases = [case for case in read_cases() if case.code == rule.code]
    assert sum(case.fires for case in cases) >= MIN_FIRES
    assert sum(not case.fires for case in cases) >= MIN_QUIET


def test_every_folder_of_cases_belongs_to_a_rule() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} <= {rule.code for rule in RULES}
