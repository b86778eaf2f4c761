"""Which rules there are: every module of `advisor_rules` that holds a `Rule`. Registration is by existence."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Sequence

from advisor.engine.rule import Rule
from advisor.errors import RuleError, UsageError

RULES_PACKAGE = "advisor_rules"


def load_rules() -> tuple[Rule, ...]:
    """All rules, by code.

    Raises:
        RuleError: two rules share a code or a name.
    """
    package = importlib.import_module(RULES_PACKAGE)
    modules = pkgutil.walk_packages(package.__path__, f"{RULES_PACKAGE}.")
    rules: dict[str, Rule] = {}
    names: set[str] = set()
    for module in modules:
        for value in vars(importlib.import_module(module.name)).values():
            if not isinstance(value, Rule) or value.check.__module__ != module.name:
                continue
            if value.code in rules or value.name in names:
                raise RuleError(f"two rules are called {value.code} {value.name}", why=f"one is in {module.name}")
            rules[value.code] = value
            names.add(value.name)
    return tuple(rules[code] for code in sorted(rules))


def matches(rule: Rule, selector: str) -> bool:
    """Whether a selector (a code, a prefix of codes, a name, or `ALL`) means the rule."""
    return selector == rule.name or rule.code.startswith(selector.upper()) or selector.upper() == "ALL"


def select_rules(rules: Sequence[Rule], select: Iterable[str] = (), ignore: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules that run. `+CODE` adds to the enabled ones, a bare selector replaces them; `ignore` takes away.

    Raises:
        UsageError: a selector means no rule.
    """
    selectors, ignored = list(select), list(ignore)
    for selector in [*selectors, *ignored]:
        _must_mean_something(rules, selector.removeprefix("+"))
    bare = [s for s in selectors if not s.startswith("+")]
    added = [s.removeprefix("+") for s in selectors if s.startswith("+")]
    return tuple(
        rule
        for rule in rules
        if (any(matches(rule, s) for s in [*bare, *added]) or (not bare and rule.enabled))
        and not any(matches(rule, s) for s in ignored)
    )


def find_rule(rules: Sequence[Rule], name: str) -> Rule:
    """The rule of that code or name.

    Raises:
        UsageError: there is none; says which are close.
    """
    found = next((rule for rule in rules if name.upper() == rule.code or name == rule.name), None)
    if found is None:
        raise UsageError(f"no rule is called {name!r}", hint=_suggestion(rules, name))
    return found


def _must_mean_something(rules: Sequence[Rule], selector: str) -> None:
    if not selector or not any(matches(rule, selector) for rule in rules):
        raise UsageError(f"{selector!r} selects no rule", hint=_suggestion(rules, selector))


def _suggestion(rules: Sequence[Rule], name: str) -> str:
    known = [rule.code for rule in rules] + [rule.name for rule in rules]
    close = difflib.get_close_matches(name, known, n=3) or difflib.get_close_matches(name.upper(), known, n=3)
    meant = f"Did you mean {', '.join(close)}? " if close else ""
    return f"{meant}`advisor rules list` shows all of them."
