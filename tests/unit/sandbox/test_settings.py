"""The configuration's text and the held signals: what needs no server."""

import signal
import threading
from pathlib import Path

import pytest

from advisor.sandbox.interrupts import held_signals
from advisor.sandbox.settings import access_rules, server_settings


def test_no_network_where_there_is_a_socket() -> None:
    text = server_settings(18, Path("/tmp/it's"), 5432)
    assert "listen_addresses = ''\n" in text
    assert "unix_socket_directories = '/tmp/it''s'\n" in text
    assert "host" not in access_rules(socket=True)


def test_only_loopback_without_one() -> None:
    assert "listen_addresses = '127.0.0.1'\n" in server_settings(18, None, 40000)
    assert access_rules(socket=False) == "host all all 127.0.0.1/32 scram-sha-256\n"


def test_settings_of_later_versions_are_left_out() -> None:
    assert "scram_iterations" in server_settings(16, None, 1)
    assert "scram_iterations" not in server_settings(15, None, 1)


def test_ctrl_c_waits_for_the_blocks_end() -> None:
    done = False

    def work() -> None:
        nonlocal done
        with held_signals():
            signal.raise_signal(signal.SIGINT)
            done = True

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_hold_nothing() -> None:
    seen = []

    def work() -> None:
        with held_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
