"""Attacks by text, as data: what each tries, and what the server says to the unprivileged login that tries it.

`{file}` is a file that must not appear, `{port}` a listening port that must not be connected to, `{socket}` and
`{pg_port}` the sandbox's own server. The statements before the last are what an attack needs; in a log only the last
one stands, the others come by the schema.
"""

# ruff: noqa: E501, RUF001 - an attack stands on one line, some of them in letters that look alike

from collections.abc import Iterator
from dataclasses import dataclass

DENIED = "42501"
MISSING = "42704 42883 42P01 3F000 58P01 0A000 22023 22P02 55000 55006 42939 F0000 42809 3D000"
"""What is not there to be used: no such server, extension, library, publication, role or setting."""
LIMIT = "57014 53400 54000 54001 53200 57P01 57P05 25P03 2201B"
"""A limit of time, disk, size, stack or memory, or the end of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`state`: the SQLSTATEs of which one is the answer to the unprivileged login; "" where it may succeed, since it
    touches nothing but its own transaction or database."""

    family: str
    name: str
    sql: str
    state: str


def _family(family: str, state: str, attacks: dict[str, str]) -> Iterator[Attack]:
    for name, sql in attacks.items():
        yield Attack(family=family, name=name, sql=sql, state=state)


_FUNCTION = "CREATE FUNCTION evil() RETURNS int {} LANGUAGE plpgsql AS $f$ BEGIN {}; RETURN 1; END $f$; "
_WRITE = "EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat > {file}'''"
_TRY = f"BEGIN {_WRITE}; EXCEPTION WHEN insufficient_privilege THEN NULL; END"
_ACT = f"CREATE FUNCTION act() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN {_TRY}; RETURN 1; END $f$; "
"""Volatile, because no other function may write; an immutable one may call it."""
_FOLDED = _ACT + _FUNCTION.format("IMMUTABLE", "PERFORM public.act()")
_TABLE = "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2); "


def planted(where: str, *, volatility: str = "IMMUTABLE") -> str:
    """A schema that runs a program wherever somebody with the right touches the table."""
    return _ACT + _FUNCTION.format(volatility, "PERFORM public.act()") + _TABLE + where


ATTACKS: tuple[Attack, ...] = (
    *_family(
        "program",
        f"{DENIED} 55P02",
        {
            "COPY TO PROGRAM": "COPY (SELECT 1) TO PROGRAM 'cat > {file}'",
            "COPY FROM PROGRAM": _TABLE + "COPY t FROM PROGRAM 'touch {file}; echo 1'",
            "COPY in a DO block": "DO $$ BEGIN " + _WRITE + "; END $$",
            "COPY in a function": _FUNCTION.format("", _WRITE) + "SELECT evil()",
            "COPY in odd letters": "cOpY/**/(SELECT 1)\tTO -- x\n PROGRAM $a$touch {file}$a$",
            "archive_command": "ALTER SYSTEM SET archive_command = 'touch {file}'",
            "ssl_passphrase_command": "SET ssl_passphrase_command = 'touch {file}'",
        },
    ),
    *_family(
        "file",
        DENIED,
        {
            "COPY TO": "COPY (SELECT 1) TO '{file}'",
            "COPY FROM": "CREATE TABLE t (x text); COPY t FROM '/etc/passwd'",
            "pg_read_file": "SELECT pg_read_file('/etc/passwd')",
            "pg_read_file behind a point": "SELECT ('/etc/passwd'::text).pg_read_file",
            "pg_read_binary_file": "SELECT pg_read_binary_file('PG_VERSION')",
            "pg_ls_dir": "SELECT * FROM pg_ls_dir('.')",
            "pg_stat_file": "SELECT pg_stat_file('PG_VERSION')",
            "pg_ls_waldir": "SELECT * FROM pg_ls_waldir()",
            "pg_hba_file_rules": "SELECT * FROM pg_hba_file_rules",
            "lo_import": "SELECT lo_import('/etc/passwd')",
            "lo_export": "SELECT lo_export(lo_from_bytea(0, 'x'), '{file}')",
            "file_fdw": "CREATE EXTENSION file_fdw",
            "a tablespace": "CREATE TABLESPACE t LOCATION '/tmp'",
            "log_directory": "ALTER SYSTEM SET log_directory = '/tmp'",
        },
    ),
    *_family(
        "file",
        MISSING,
        {
            "a dictionary's file": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, StopWords = '../../../etc/passwd')",
            "a thesaurus": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = ispell, DictFile = '/etc/passwd', AffFile = 'x')",
        },
    ),
    *_family(
        "network",
        f"{DENIED} {MISSING}",
        {
            "dblink": "CREATE EXTENSION dblink; SELECT dblink_connect('host=127.0.0.1 port={port}')",
            "dblink to the server itself": "SELECT * FROM dblink('host={socket} port={pg_port}', 'SELECT 1') AS t (x int)",
            "postgres_fdw": "CREATE EXTENSION postgres_fdw",
            "a foreign server": "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}')",
            "a foreign data wrapper": "CREATE FOREIGN DATA WRAPPER w",
            "IMPORT FOREIGN SCHEMA": "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO public",
            "a subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port={port}' PUBLICATION p",
            "a subscription to the server itself": "CREATE SUBSCRIPTION s CONNECTION 'host={socket} port={pg_port}'"
            " PUBLICATION p WITH (connect = false)",
            "primary_conninfo": "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port}'",
            "a replication slot": "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
            "a publication of all": "CREATE PUBLICATION p FOR ALL TABLES",
        },
    ),
    *_family(
        "role",
        f"{DENIED} {MISSING} 42710 0LP01",
        {
            "SET ROLE": "SET ROLE advisor_admin",
            "SET ROLE to a file reader": "SET ROLE pg_read_server_files",
            "SET SESSION AUTHORIZATION": "SET SESSION AUTHORIZATION advisor_admin",
            "ALTER ROLE SUPERUSER": "ALTER ROLE CURRENT_USER SUPERUSER",
            "another's password": "ALTER ROLE advisor_admin PASSWORD 'x'",
            "CREATE ROLE": "CREATE ROLE boss SUPERUSER LOGIN",
            "GRANT of the superuser": "GRANT advisor_admin TO CURRENT_USER",
            "GRANT of the file reader": "GRANT pg_execute_server_program TO CURRENT_USER",
            "passwords": "SELECT rolpassword FROM pg_authid",
            "an object's owner": _TABLE + "ALTER TABLE t OWNER TO advisor_admin",
            "REASSIGN OWNED": "REASSIGN OWNED BY advisor_admin TO CURRENT_USER",
            "role by set_config": "SELECT set_config('role', 'advisor_admin', false)",
            "a function with a role": "CREATE FUNCTION evil() RETURNS int LANGUAGE sql SET role = advisor_admin"
            " AS 'SELECT 1'; SELECT evil()",
            "its database's defaults": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_encoding = SQL_ASCII',"
            " current_database()); END $$",
            "its database closed": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0',"
            " current_database()); END $$",
            "its database's name": "DO $$ BEGIN EXECUTE 'ALTER DATABASE victim RENAME TO other'; END $$",
            "its database given away": "DO $$ BEGIN EXECUTE 'ALTER DATABASE victim OWNER TO CURRENT_USER'; END $$",
            "another database": "DROP DATABASE victim",
            "ending the superuser's session": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'advisor_admin'",
        },
    ),
    *_family(
        "role",
        "",
        {
            "RESET SESSION AUTHORIZATION": "RESET SESSION AUTHORIZATION",
            "RESET ROLE": "RESET ROLE",
            "DISCARD ALL": "DISCARD ALL",
            "its own password": "DO $$ BEGIN EXECUTE 'ALTER ROLE CURRENT_USER PASSWORD ''x'''; END $$",
            "its own defaults": "DO $$ BEGIN EXECUTE 'ALTER ROLE CURRENT_USER SET statement_timeout = 1';"
            " EXECUTE 'ALTER ROLE CURRENT_USER SET default_transaction_read_only = on'; END $$",
            "SECURITY DEFINER": "CREATE FUNCTION evil() RETURNS text SECURITY DEFINER LANGUAGE sql"
            " AS 'SELECT current_user::text'; SELECT evil()",
            "DROP OWNED": "DROP OWNED BY CURRENT_USER",
        },
    ),
    *_family(
        "extension and language",
        f"{DENIED} {MISSING}",
        {
            "plpython3u": "CREATE EXTENSION plpython3u",
            "a language": "CREATE LANGUAGE evil HANDLER plpgsql_call_handler",
            "an untrusted function": "CREATE FUNCTION evil() RETURNS int LANGUAGE plperlu AS 'system(\"touch {file}\")'",
            "a C function": "CREATE FUNCTION evil(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'",
            "an internal function": "CREATE FUNCTION evil(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'",
            "LOAD": "LOAD 'auto_explain'",
            "LOAD by path": "LOAD '{file}'",
            "an untrusted extension": "CREATE EXTENSION pageinspect",
            "a base type": "CREATE TYPE evil; CREATE FUNCTION evil_in(cstring) RETURNS evil LANGUAGE internal AS 'int4in'",
            "a cast without a function": "CREATE CAST (text AS int) WITHOUT FUNCTION",
            "an access method": "CREATE ACCESS METHOD evil TYPE INDEX HANDLER bthandler",
            "an operator class": "CREATE OPERATOR CLASS evil DEFAULT FOR TYPE int4 USING btree AS STORAGE int4",
            "a text search template": "CREATE TEXT SEARCH TEMPLATE evil (LEXIZE = dsimple_lexize)",
            "session_preload_libraries": "SET session_preload_libraries = 'auto_explain'",
            "dynamic_library_path": "SET dynamic_library_path = '/tmp'",
        },
    ),
    *_family(
        "catalog",
        DENIED,
        {
            "pg_authid": "UPDATE pg_authid SET rolsuper = true",
            "pg_proc": "UPDATE pg_proc SET proowner = 10 WHERE proname = 'now'",
            "pg_index": "UPDATE pg_index SET indisvalid = false",
            "pg_statistic": "DELETE FROM pg_statistic",
            "pg_database": "UPDATE pg_database SET datallowconn = false",
            "pg_language": "WITH x AS (UPDATE pg_language SET lanpltrusted = true RETURNING 1) SELECT * FROM x",
            "pg_largeobject": "SELECT * FROM pg_largeobject",
            "a function in pg_catalog": "CREATE FUNCTION pg_catalog.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "now() replaced": "CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL'",
            "a trigger on pg_class": "CREATE FUNCTION e() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
            " CREATE TRIGGER e BEFORE UPDATE ON pg_class EXECUTE FUNCTION e()",
            "a rule on pg_class": "CREATE RULE e AS ON INSERT TO pg_class DO INSTEAD NOTHING",
            "allow_system_table_mods": "SET allow_system_table_mods = on",
            "a lock on a catalog": "SELECT 1 FROM pg_database FOR UPDATE",
            "an event trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            " CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION e()",
        },
    ),
    *_family(
        "plan time",
        "",
        {
            "a program, folded": _FOLDED + "EXPLAIN SELECT 1 WHERE evil() = 1",
            "a program, folded in a query": _FOLDED + "SELECT 1 WHERE evil() = 1",
            "an estimate by a function": planted("SELECT * FROM t WHERE x < evil()", volatility="STABLE"),
            "an operator's function": planted(
                "CREATE FUNCTION same(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.evil() = 1';"
                " CREATE OPERATOR === (FUNCTION = same, LEFTARG = int, RIGHTARG = int, RESTRICT = eqsel);"
                " SELECT * FROM t WHERE x === 1"
            ),
        },
    ),
    *_family(
        "planted",
        "",
        {
            "an index expression": planted("CREATE INDEX ON t ((x + evil())); ANALYZE t"),
            "a partial index": planted("CREATE INDEX ON t (x) WHERE evil() = 1; SELECT x FROM t WHERE x = 1"),
            "a CHECK": planted("ALTER TABLE t ADD CHECK (evil() = 1); INSERT INTO t VALUES (3)"),
            "a default": planted("ALTER TABLE t ADD y int DEFAULT evil(); INSERT INTO t VALUES (3)"),
            "a generated column": planted("ALTER TABLE t ADD y int GENERATED ALWAYS AS (evil()) STORED"),
            "a trigger": _TABLE
            + "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
            + _TRY
            + "; RETURN NEW; END $f$; CREATE TRIGGER fire BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW"
            " EXECUTE FUNCTION fire(); INSERT INTO t VALUES (3)",
            "a rule": planted("CREATE RULE r AS ON INSERT TO t DO ALSO SELECT evil(); INSERT INTO t VALUES (3)"),
            "a view": planted("CREATE VIEW v AS SELECT evil() AS x; SELECT * FROM v"),
            "a materialised view": planted("CREATE MATERIALIZED VIEW v AS SELECT evil() AS x"),
            "a policy": planted(
                "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;"
                " CREATE POLICY p ON t USING (evil() = 1); SELECT * FROM t"
            ),
            "a domain": planted("CREATE DOMAIN d AS int CHECK (evil() = 1); SELECT 1::d"),
            "a cast": planted(
                "CREATE TYPE c AS (x int); CREATE FUNCTION to_c(int) RETURNS c LANGUAGE sql AS"
                " 'SELECT ROW(public.evil())::c'; CREATE CAST (int AS c) WITH FUNCTION to_c(int) AS IMPLICIT; SELECT (1::c).x"
            ),
            "a range type": planted(
                "CREATE FUNCTION diff(int, int) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT public.evil()::float8';"
                " CREATE TYPE r AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = diff); CREATE TABLE rr (r r);"
                " INSERT INTO rr VALUES ('[1,2]'); CREATE INDEX ON rr USING gist (r); ANALYZE rr"
            ),
            "statistics": planted("CREATE STATISTICS s ON (x + evil()), x FROM t; ANALYZE t"),
            "a partition key": planted(
                "CREATE TABLE p (x int) PARTITION BY RANGE ((x + evil()));"
                " CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); INSERT INTO p VALUES (1)"
            ),
            "an aggregate": planted(
                "CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';"
                " CREATE AGGREGATE a (int) (SFUNC = step, STYPE = int); SELECT a(x) FROM t"
            ),
        },
    ),
    *_family(
        "search_path",
        "",
        {
            "functions of the same name": "CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;"
            " CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;"
            " SET search_path = public, pg_catalog; SELECT version()",
            "operators of the same name": planted(
                "CREATE FUNCTION eq(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT public.evil() = 1';"
                " CREATE OPERATOR public.= (FUNCTION = eq, LEFTARG = name, RIGHTARG = name);"
                " SET search_path = public, pg_catalog; SELECT count(*) FROM pg_class WHERE relname = 't'"
            ),
            "catalogs of the same name": "CREATE TABLE public.pg_class (x int); CREATE VIEW public.pg_locks AS SELECT 1;"
            " SET search_path = public, pg_catalog; SELECT * FROM pg_class",
            "a closer argument type": "CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN "
            + _TRY
            + "; RETURN $1; END $f$; SELECT lower('A'::varchar)",
            "pg_temp": "CREATE TEMP TABLE pg_class (x int); CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql"
            " AS 'SELECT 1'; SELECT * FROM pg_class",
            "before an extension": "CREATE FUNCTION public.hash_numeric(numeric) RETURNS int LANGUAGE sql AS 'SELECT 1';"
            " CREATE FUNCTION public.texteq(text, text) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN "
            + _TRY
            + "; RETURN true; END $f$; CREATE OPERATOR public.= (FUNCTION = public.texteq, LEFTARG = text,"
            " RIGHTARG = text); SET search_path = public, pg_catalog; CREATE EXTENSION citext; SELECT 'a'::text",
        },
    ),
    *_family(
        "exhaustion",
        LIMIT,
        {
            "a cross join": "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b",
            "endless recursion": "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT sum(x) FROM r",
            "a regular expression": "SELECT 'a' ~ '((((a{1,100}){1,100}){1,100}){1,100}'",
            "sleep": "SELECT pg_sleep(1000)",
            "sleep behind a point": "SELECT x.pg_sleep FROM generate_series(1000, 1001) AS x",
            "sleep, folded": _FUNCTION.format("IMMUTABLE", "PERFORM pg_sleep(1000)") + "SELECT 1 WHERE evil() = 1",
            "a loop, folded": _FUNCTION.format("IMMUTABLE", "LOOP END LOOP") + "SELECT 1 WHERE evil() = 1",
            "a sort on disk": "SELECT count(*) FROM (SELECT md5(x::text) FROM generate_series(1, 1000000000) x"
            " ORDER BY 1 OFFSET 1) s",
            "memory by string_agg": "SELECT length(string_agg(repeat('x', 100000), '')) FROM generate_series(1, 1000000)",
            "memory by repeat": "SELECT length(repeat(repeat('x', 100000), 100000))",
            "memory by an array": "SELECT array_fill(1, ARRAY[300000000])",
            "stack depth": "CREATE FUNCTION evil(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN evil($1 + 1); END';"
            " SELECT evil(1)",
            "a timeout lifted within": "SELECT pg_sleep(1000) WHERE set_config('statement_timeout', '0', false) = '0'",
            "a table that fills the disk": "CREATE TABLE t AS SELECT repeat(md5(x::text), 200) AS y"
            " FROM generate_series(1, 100000000) x",
        },
    ),
    *_family(
        "settings",
        f"{DENIED} {MISSING} 55P02",
        {
            "temp_file_limit": "SELECT set_config('temp_file_limit', '-1', false)",
            "log_statement": "SET log_statement = 'all'",
            "max_stack_depth": "SET max_stack_depth = '7GB'",
            "zero_damaged_pages": "SET zero_damaged_pages = on",
            "fsync": "ALTER SYSTEM SET fsync = on",
            "reload": "SELECT pg_reload_conf()",
            "prepared transactions": "BEGIN; PREPARE TRANSACTION 'x'",
        },
    ),
    *_family(
        "settings",
        "",
        {
            "statement_timeout": "SELECT set_config('statement_timeout', '0', false)",
            "work_mem": "SELECT set_config('work_mem', '2000000000', false)",
            "client_encoding": "SELECT set_config('client_encoding', 'SJIS', false)",
            "read only": "SELECT set_config('default_transaction_read_only', 'on', false)",
            "strings": "SELECT set_config('standard_conforming_strings', 'off', false)",
        },
    ),
    *_family(
        "session",
        "",
        {
            "an advisory lock": "SELECT pg_advisory_lock(1)",
            "LISTEN": "LISTEN a",
            "NOTIFY": "SELECT pg_notify('a', 'b')",
            "a large object": "SELECT lo_from_bytea(0, 'x')",
            "setval": "CREATE SEQUENCE s; SELECT setval('s', 1000)",
            "LOCK": _TABLE + "BEGIN; LOCK TABLE t",
            "a snapshot kept": "SELECT pg_export_snapshot()",
            "a message in the log": "SELECT pg_logical_emit_message(false, 'a', 'b')",
            "a cursor kept": "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "a prepared statement": "PREPARE p AS SELECT 1",
        },
    ),
    *_family(
        "syntax",
        "",
        {
            "two statements": _TABLE + "SELECT 1; DROP TABLE t",
            "a commit in the middle": _TABLE + "SELECT 1; COMMIT; DROP TABLE t; BEGIN",
            "a nested comment": _TABLE + "SELECT 1 /* /* */ ; DROP TABLE t; -- */",
            "a comment in a literal": _TABLE + "SELECT '--', '/*'; DROP TABLE t; --*/",
            "a backslash": _TABLE + "SELECT '\\'; DROP TABLE t; --'",
            "an escape string": _TABLE + "SELECT E'\\''; DROP TABLE t; --'",
            "a unicode string": _TABLE + "SELECT U&'\\0027; DROP TABLE t; --'",
            "dollars": _TABLE + "SELECT $a$ $b$ ; DROP TABLE t; -- $a$",
        },
    ),
    *_family(
        "syntax",
        "42601 22021 42883 22P05 42703 54023",
        {
            "letters that look alike": "SELECT рg_read_file('/etc/passwd')",
            "a full-width semicolon": "SELECT 1； DROP TABLE t",
            "an invisible space": "SELECT 1\u200b; DROP TABLE t",
            "psql: a program": "\\! touch {file}",
            "psql: \\copy": "\\copy (SELECT 1) TO PROGRAM 'touch {file}'",
            "psql: \\gexec": "SELECT 'COPY (SELECT 1) TO PROGRAM ''touch {file}''' \\gexec",
            "psql: \\o": "\\o | touch {file}",
            "psql: a variable": "\\set x `touch {file}`",
            "psql: \\i": "\\i /etc/passwd",
        },
    ),
)
