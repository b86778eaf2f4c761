"""The catalog queries, one set-based statement per kind of object, for PostgreSQL 13 to 18.

Most take `locked`: the relations (oids) somebody holds or awaits an ACCESS EXCLUSIVE lock on. `pg_relation_size`,
`pg_get_indexdef` and `pg_get_expr` open a relation and would queue behind it, so those relations are left out.
"""

_USER_RELATIONS = """
relations AS MATERIALIZED (
    SELECT c.oid, c.relname, n.nspname, c.relkind, c.reltuples, c.relpages, c.relallvisible, c.relispartition,
           c.relam, c.relowner, c.reltablespace, c.reltoastrelid, c.reloptions, c.relrowsecurity, c.relpersistence
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relpersistence <> 't'
      AND c.oid <> ALL (%(locked)s::oid[]) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)"""

SEARCH_PATH = "SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS search_path"
"""Asked before ours is set, so it names nothing that is looked up: `search_path` is the target's to choose."""

SERVER = """
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       current_database() AS database, current_user AS role, current_setting('block_size')::int AS block_size,
       (SELECT array_agg(extname::text ORDER BY extname) FROM pg_catalog.pg_extension) AS extensions,
       d.datcollate, d.datctype,
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify,
       has_table_privilege('pg_catalog.pg_statistic', 'SELECT') AS may_read_statistic,
       has_table_privilege('pg_catalog.pg_statistic_ext_data', 'SELECT') AS may_read_statistic_ext_data,
       pg_is_in_recovery() AS standby,
       (extract(epoch FROM pg_stat_get_db_stat_reset_time(d.oid)) * 1000000)::bigint AS counters_reset_us
FROM pg_catalog.pg_database d WHERE d.datname = current_database()"""

IDENTITY = "SELECT system_identifier::text AS system_identifier FROM pg_catalog.pg_control_system()"

LOCKED = """
SELECT DISTINCT l.relation::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
  AND pid IS DISTINCT FROM pg_backend_pid()
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"""

TABLESPACES = """
SELECT CASE WHEN t.oid = d.dattablespace THEN '' ELSE t.spcname::text END AS name, t.spcoptions AS options
FROM pg_catalog.pg_tablespace t CROSS JOIN pg_catalog.pg_database d
WHERE d.datname = current_database() AND t.spcoptions IS NOT NULL"""

# What the manual has under "Query Planning", and the other settings that the planner reads.
SETTINGS = """
SELECT name, current_setting(name) AS value FROM pg_catalog.pg_settings
WHERE name ~ '^(enable_|geqo|jit|cpu_|parallel_|min_parallel_)' OR name ~ '^max_parallel_' OR name ~ '_page_cost$'
   OR name IN ('TimeZone', 'block_size', 'constraint_exclusion', 'cursor_tuple_fraction', 'debug_parallel_query',
               'default_statistics_target', 'force_parallel_mode', 'maintenance_io_concurrency', 'row_security',
               'effective_cache_size', 'effective_io_concurrency', 'from_collapse_limit', 'hash_mem_multiplier',
               'join_collapse_limit', 'maintenance_work_mem', 'plan_cache_mode', 'recursive_worktable_factor',
               'server_encoding', 'shared_buffers', 'track_counts', 'work_mem')"""

RELATIONS = f"""
WITH {_USER_RELATIONS}
SELECT r.oid::bigint AS oid, r.nspname AS schema, r.relname AS name, r.relkind::text AS kind,
       r.reltuples::float8 AS reltuples, r.relpages, r.relallvisible, pg_get_userbyid(r.relowner) AS owner,
       (SELECT am.amname FROM pg_catalog.pg_am am WHERE am.oid = r.relam) AS access_method,
       (SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = r.reltablespace) AS tablespace,
       r.reloptions AS storage_parameters, r.relrowsecurity AS row_security, r.relpersistence = 'u' AS unlogged,
       CASE WHEN r.reltoastrelid = 0 THEN NULL
            WHEN r.reltoastrelid = ANY (%(locked)s::oid[]) THEN
                (SELECT c.relpages::bigint FROM pg_catalog.pg_class c WHERE c.oid = r.reltoastrelid)
                * current_setting('block_size')::int
            ELSE pg_relation_size(r.reltoastrelid) END AS toast_size_bytes,
       CASE WHEN NOT r.relispartition THEN
            (SELECT array_agg(i.inhparent::bigint ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i
             WHERE i.inhrelid = r.oid) END AS parents,
       CASE WHEN r.relkind NOT IN ('r', 'm') THEN NULL
            ELSE pg_relation_size(r.oid) END AS size_bytes,
       CASE WHEN r.relispartition THEN
            (SELECT i.inhparent::bigint FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid LIMIT 1) END AS parent,
       CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END AS partition_key,
       CASE WHEN r.relispartition THEN
            (SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c WHERE c.oid = r.oid)
            END AS partition_bound,
       CASE WHEN r.relkind IN ('v', 'm') AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
            ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
            WHERE w.ev_class = r.oid AND d.refobjid = ANY (%(locked)s::oid[])) THEN pg_get_viewdef(r.oid)
            END AS definition,
       has_table_privilege(r.oid, 'SELECT') AS readable,
       pg_stat_get_numscans(r.oid) AS sequential_scans, pg_stat_get_tuples_inserted(r.oid) AS rows_inserted,
       pg_stat_get_tuples_updated(r.oid) AS rows_updated, pg_stat_get_tuples_deleted(r.oid) AS rows_deleted,
       pg_stat_get_tuples_hot_updated(r.oid) AS rows_hot_updated, pg_stat_get_live_tuples(r.oid) AS rows_live,
       pg_stat_get_dead_tuples(r.oid) AS rows_dead,
       pg_stat_get_mod_since_analyze(r.oid) AS rows_changed_since_analyze,
       (extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(r.oid), pg_stat_get_last_autovacuum_time(r.oid)))
        * 1000000)::bigint AS last_vacuum_us,
       (extract(epoch FROM greatest(pg_stat_get_last_analyze_time(r.oid), pg_stat_get_last_autoanalyze_time(r.oid)))
        * 1000000)::bigint AS last_analyze_us
FROM relations r ORDER BY r.nspname, r.relname"""

# A domain may stand on a domain: `base` follows typbasetype to its end.
COLUMNS = f"""
WITH RECURSIVE {_USER_RELATIONS},
base AS (
    SELECT t.oid AS declared, t.oid, t.typtype, t.typbasetype, t.typnotnull FROM pg_catalog.pg_type t
    WHERE t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN relations r ON r.oid = a.attrelid)
    UNION ALL
    SELECT b.declared, t.oid, t.typtype, t.typbasetype, b.typnotnull OR t.typnotnull
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
),
labels AS (
    SELECT enumtypid, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
    FROM pg_catalog.pg_enum GROUP BY enumtypid
)
SELECT a.attrelid::bigint AS relation, a.attnum, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       bt.typname AS base_type, t.typtype::text AS type_kind, labels.labels,
       a.attnotnull OR base.typnotnull AS not_null,
       pg_get_expr(d.adbin, d.adrelid) AS "default",
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       CASE WHEN a.attcollation <> t.typcollation THEN c.collname END AS collation,
       CASE WHEN a.attcollation <> t.typcollation THEN cn.nspname END AS collation_schema, bt.typdelim AS delimiter
FROM relations r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN base ON base.declared = a.atttypid AND base.typtype <> 'd'
JOIN pg_catalog.pg_type bt ON bt.oid = base.oid
LEFT JOIN labels ON labels.enumtypid = base.oid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
ORDER BY a.attrelid, a.attnum"""


def indexes(version_num: int) -> str:
    """The query of the indexes; `NULLS NOT DISTINCT` is there from PostgreSQL 15 on."""
    # `k` refers to `r`, so that it is made of the relations in `relations` only: it opens indexes.
    nulls_not_distinct = "i.indnullsnotdistinct" if version_num >= 150000 else "false"
    return f"""
WITH {_USER_RELATIONS}
SELECT i.indrelid::bigint AS relation, i.indexrelid::bigint AS oid, r.nspname AS schema, c.relname AS name,
       c.relkind::text AS kind, am.amname AS method, c.relpages, c.reltuples::float8 AS reltuples, c.relallvisible,
       c.reloptions AS storage_parameters, r.relpersistence = 'u' AS unlogged,
       (SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = c.reltablespace) AS tablespace,
       i.indisunique AS is_unique, i.indisprimary AS is_primary, i.indisvalid AND i.indislive AS valid,
       {nulls_not_distinct} AS nulls_not_distinct, pg_get_indexdef(i.indexrelid) AS definition,
       pg_get_expr(i.indpred, i.indrelid) AS predicate, i.indnkeyatts AS key_count,
       k.columns, k.expressions, k.options, k.classes, k.attributes,
       (SELECT q.conname FROM pg_catalog.pg_constraint q
        WHERE q.conindid = i.indexrelid AND q.conrelid = i.indrelid AND q.contype IN ('p', 'u', 'x')
        LIMIT 1) AS "constraint",
       CASE WHEN c.relkind <> 'i' THEN NULL
            WHEN i.indexrelid = ANY (%(locked)s::oid[]) THEN c.relpages::bigint * current_setting('block_size')::int
            ELSE pg_relation_size(i.indexrelid) END AS size_bytes,
       CASE WHEN c.relispartition THEN
            (SELECT h.inhparent::bigint FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1) END AS parent,
       pg_stat_get_numscans(i.indexrelid) AS scans
FROM relations r
JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
CROSS JOIN LATERAL (
    SELECT array_agg((SELECT a.attname::text FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = r.oid AND a.attnum = p.attnum AND p.attnum <> 0) ORDER BY p.n) AS columns,
           array_agg(CASE WHEN p.attnum = 0 THEN pg_get_indexdef(i.indexrelid, p.n::int, false) END
                     ORDER BY p.n) AS expressions,
           array_agg(i.indoption[p.n - 1]::int ORDER BY p.n) AS options,
           array_agg((SELECT o.opcname::text FROM pg_catalog.pg_opclass o
                      WHERE o.oid = i.indclass[p.n - 1] AND NOT o.opcdefault) ORDER BY p.n) AS classes,
           array_agg((SELECT a.attname::text FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = i.indexrelid AND a.attnum = p.n) ORDER BY p.n) AS attributes
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS p(attnum, n)
) k
ORDER BY i.indrelid, c.relname"""


CONSTRAINTS = f"""
WITH {_USER_RELATIONS}
SELECT q.conrelid::bigint AS relation, q.conname AS name, q.contype::text AS kind, q.convalidated AS validated,
       pg_get_constraintdef(q.oid) AS definition, q.confrelid::bigint AS referenced, l.columns,
       f.columns AS referenced_columns
FROM relations r
JOIN pg_catalog.pg_constraint q ON q.conrelid = r.oid AND q.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY p.n) AS columns FROM unnest(q.conkey) WITH ORDINALITY AS p(attnum, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = q.conrelid AND a.attnum = p.attnum
) l
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY p.n) AS columns FROM unnest(q.confkey) WITH ORDINALITY AS p(attnum, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = q.confrelid AND a.attnum = p.attnum
) f
ORDER BY q.conrelid, q.conname"""

# The most volatile of the functions that share a name: an overload cannot be told by the name alone.
FUNCTIONS = """
SELECT p.proname AS name, min(CASE p.provolatile WHEN 'v' THEN '1v' WHEN 's' THEN '2s' ELSE '3i' END) AS volatility
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND p.prokind IN ('f', 'w', 'a')
GROUP BY p.proname"""
