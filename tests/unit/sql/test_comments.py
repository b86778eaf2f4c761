import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.sql.comments import comment_tags, split_comments


@pytest.mark.parametrize(
    ("sql", "text", "tags"),
    [
        ("SELECT 1", "SELECT 1", {}),
        ("  SELECT 1 ; ", "SELECT 1", {}),
        (
            "SELECT 1 /*action='show',route='%2Forders%2F%3Aid'*/",
            "SELECT 1",
            {"action": "show", "route": "/orders/:id"},
        ),
        ("SELECT 1 /*action='it\\'s'*/;", "SELECT 1", {"action": "it's"}),
        ("/*controller:users,action:index*/ SELECT 1", "SELECT 1", {"controller": "users", "action": "index"}),
        ("-- line:app/a.rb:7:in `x'\nSELECT 1", "SELECT 1", {"line": "app/a.rb:7:in `x'"}),
        ("/* a */ -- b\nSELECT 1 -- c", "SELECT 1", {}),
        ("SELECT 1 /* a */ + 2 /*b='c'*/", "SELECT 1 /* a */ + 2", {"b": "c"}),
        ("SELECT '/*a=''b''*/'", "SELECT '/*a=''b''*/'", {}),
        ("SELECT $$ -- x $$", "SELECT $$ -- x $$", {}),
        ('SELECT 1 AS "--" --a:b', 'SELECT 1 AS "--"', {"a": "b"}),
        ("SELECT 1 /* outer /* a='b' */ */", "SELECT 1", {}),
        ("/*+ SeqScan(t) */ SELECT 1", "SELECT 1", {}),
        ("-- TODO: faster, please\nSELECT 1", "SELECT 1", {}),
        ("SELECT 'é' /*k='%C3%A9'*/", "SELECT 'é'", {"k": "é"}),
        ("-- nothing else", "", {}),
        ("SELECT 'open -- x", "SELECT 'open -- x", {}),
    ],
)
def test_comments_around_a_statement(sql: str, text: str, tags: dict[str, str]) -> None:
    assert split_comments(sql) == (text, tags)


@pytest.mark.parametrize("prose", ["see http://x.example, please", "note: slow", "a = b", "fixed 10:30", ""])
def test_prose_is_no_tag(prose: str) -> None:
    assert comment_tags(prose) == {}


@given(st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"])))
def test_a_string_is_never_taken_for_a_comment(text: str) -> None:
    statement = f"SELECT '{text}'"
    assert split_comments(f"-- a\n{statement} /* b */ ;")[0] == statement
