"""Where errors become exit codes."""

import pytest

from advisor.cli import main


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_stop_that_a_library_wrapped_is_a_stop(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    def stopped_while_loading(_arguments: object) -> int:
        try:
            raise main.Stopped(number)
        except KeyboardInterrupt as stop:
            raise RuntimeError("Error calling __set_name__ on 'Field' instance") from stop

    monkeypatch.setattr(main, "_dispatch", stopped_while_loading)
    assert main.run([]) == code


def test_any_other_error_is_a_defect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(_arguments: object) -> int:
        raise RuntimeError("nobody saw this coming")

    monkeypatch.setattr(main, "_dispatch", failing)
    monkeypatch.delenv("ADVISOR_TRACEBACK", raising=False)
    assert main.run([]) == 2
    assert "nobody saw this coming" in capsys.readouterr().err
