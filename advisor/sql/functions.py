"""What a function is, by its name: an aggregate, a window function, safe to take for constant during a scan.

The lists are the functions of PostgreSQL 18's `pg_proc` that people call, internal support functions left out.
"""

from collections.abc import Mapping

_AGGREGATE_NAMES = """
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist
    dense_rank every json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
    json_object_agg_unique_strict jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict
    jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode percent_rank percentile_cont
    percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
    xmlagg
"""
_NOT_VOLATILE_NAMES = """
    abbrev abs acos acosd acosh age area array_append array_cat array_dims array_fill array_length array_lower
    array_ndims array_position array_positions array_prepend array_remove array_replace array_reverse array_sort
    array_to_json array_to_string array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand
    atanh bit_count bit_length bool box bpchar broadcast btrim cardinality casefold cash_words cbrt ceil ceiling
    center char_length character_length chr circle col_description concat concat_ws convert convert_from
    convert_to cos cosd cosh cot cotd crc32 crc32c current_database current_schema current_schemas
    current_setting current_user date date_add date_bin date_part date_subtract date_trunc datemultirange
    daterange decode degrees diagonal diameter div encode enum_first enum_last enum_range erf erfc exp extract
    factorial family float4 float8 floor format format_type gamma gcd generate_series generate_subscripts
    get_bit get_byte get_current_ts_config has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_largeobject_privilege
    has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
    has_tablespace_privilege has_type_privilege hash_array hashtext hashtextextended height host hostmask
    inet_client_addr inet_client_port inet_server_addr inet_server_port initcap int2 int4 int4multirange
    int4range int8 int8multirange int8range is_normalized isclosed isempty isfinite ishorizontal isopen
    isparallel isperp isvertical json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_object json_object_keys json_populate_record
    json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_to_tsvector json_typeof
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists
    jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query jsonb_path_query_array
    jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz
    jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty jsonb_set
    jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof
    justify_days justify_hours justify_interval lcm left length lgamma like like_escape line ln log log10 lower
    lower_inc lower_inf lpad lseg ltrim macaddr8_set7bit make_date make_interval make_time make_timestamp
    make_timestamptz masklen md5 min_scale mod multirange mxid_age netmask network normalize notlike now npoints
    num_nonnulls num_nulls numeric numeric_div_trunc numeric_exp numeric_ln numeric_log numeric_sqrt
    nummultirange numnode numrange obj_description octet_length overlaps overlay parse_ident pclose
    pg_backend_pid pg_basetype pg_client_encoding pg_collation_for pg_column_compression pg_column_is_updatable
    pg_column_size pg_describe_object pg_get_acl pg_get_constraintdef pg_get_expr pg_get_function_arg_default
    pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody
    pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_object_address pg_get_partition_constraintdef
    pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef
    pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid
    pg_get_viewdef pg_input_error_info pg_input_is_valid pg_is_other_temp_schema pg_my_temp_schema
    pg_postmaster_start_time pg_relation_filenode pg_relation_filepath pg_relation_is_publishable
    pg_relation_is_updatable pg_size_bytes pg_size_pretty pg_trigger_depth pg_typeof pg_visible_in_snapshot
    phraseto_tsquery pi plainto_tsquery point polygon popen position pow power querytree quote_ident
    quote_literal quote_nullable radians radius range_merge regexp_count regexp_instr regexp_like regexp_match
    regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace
    reverse right round row_security_active row_to_json rpad rtrim scale session_user set_bit set_byte
    set_masklen setweight sha224 sha256 sha384 sha512 shobj_description sign similar_escape similar_to_escape
    sin sind sinh slope split_part sqrt statement_timestamp string_to_array string_to_table strip strpos substr
    substring system_user tan tand tanh text textlen timestamp timestamptz timezone to_ascii to_bin to_char
    to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regcollation to_regnamespace to_regoper
    to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_regtypemod to_timestamp to_tsquery
    to_tsvector transaction_timestamp translate trim_array trim_scale trunc ts_delete ts_filter ts_headline
    ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array
    txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax
    txid_snapshot_xmin txid_visible_in_snapshot unicode_assigned unicode_version unistr unnest upper upper_inc
    upper_inf uuid_extract_timestamp uuid_extract_version varchar version websearch_to_tsquery width
    width_bucket xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmlexists
    xmltext xmlvalidate xpath xpath_exists
"""
"""Immutable or stable under every one of the name's signatures."""

_AGGREGATES = frozenset(_AGGREGATE_NAMES.split())
_NOT_VOLATILE = frozenset(_NOT_VOLATILE_NAMES.split())


def is_aggregate(name: str) -> bool:
    """Whether a built-in aggregate has that name; whether it is used as a window function is the caller's to see."""
    return name in _AGGREGATES


def is_stable(names: tuple[str, ...], functions: Mapping[str, str]) -> bool:
    """Whether a call cannot change its value within a statement. An unknown function can.

    Args:
        names: the parts of the function's name: `("pg_catalog", "lower")`, `("lower",)`.
        functions: volatility (`i`, `s`, `v`) of user-defined functions by name, as `Catalog.functions`.
    """
    name = names[-1]
    if names[:-1] != ("pg_catalog",):
        known = functions.get(".".join(names)) or functions.get(name)
        if known is not None:
            return known in ("i", "s")
        if len(names) > 1:
            return False
    return name in _NOT_VOLATILE or name in _AGGREGATES or name in _WINDOW


_WINDOW = frozenset({"first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"})
