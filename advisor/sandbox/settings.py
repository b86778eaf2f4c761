"""The throwaway server's configuration: quick, private, and with nothing going on by itself."""

import os
from pathlib import Path

TEMP_FILE_LIMIT = "8GB"
"""Sorts and hashes of one session on disk: what any honest query on synthesised rows needs, and no full disk."""

_SHARED_MEMORY_BYTES = 512 << 20
"""Parallel queries take their memory from /dev/shm, which containers limit to 64 MB: then files serve instead."""


def server_settings(major: int, socket_folder: Path | None, port: int) -> str:
    """`postgresql.conf`. Nothing is safe against a crash of the machine, as nothing is to survive it."""
    settings = {
        "listen_addresses": "" if socket_folder else "127.0.0.1",
        "port": port,
        "unix_socket_directories": socket_folder or "",
        "unix_socket_permissions": "0700",
        "max_connections": 40,
        "shared_buffers": "128MB",
        "huge_pages": "off",
        "dynamic_shared_memory_type": _shared_memory_type(),
        "max_locks_per_transaction": 256,
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "autovacuum": "off",
        "jit": "off",
        "track_io_timing": "on",
        "temp_file_limit": TEMP_FILE_LIMIT,
        "password_encryption": "scram-sha-256",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_min_messages": "fatal",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "datestyle": "iso, mdy",
        "lc_messages": "C",
        "default_text_search_config": "pg_catalog.english",
    }
    if major >= 16:
        # The passwords are random, 24 bytes long and live for one run: stretching them would only cost time.
        settings["scram_iterations"] = 1
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())


def access_rules(*, socket: bool) -> str:
    """`pg_hba.conf`: by password, over the one way in. Only our superuser could make another login."""
    return "local all all scram-sha-256\n" if socket else "host all all 127.0.0.1/32 scram-sha-256\n"


def _shared_memory_type() -> str:
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108 only asked for its size
    except OSError:
        return "mmap"
    return "posix" if room.f_bavail * room.f_frsize >= _SHARED_MEMORY_BYTES else "mmap"


def _quoted(value: object) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
