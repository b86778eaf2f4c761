-- database: append_only (rows appended past the histogram)
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, kind int NOT NULL, note text);
INSERT INTO events (at, kind, note) SELECT timestamptz '2026-01-01 00:00+00' + i * interval '20 seconds', (random() * 9)::int, repeat('x', 60) FROM generate_series(1, 200000) i;
CREATE INDEX ON events (at);
VACUUM ANALYZE events;
INSERT INTO events (at, kind, note) SELECT timestamptz '2026-01-01 00:00+00' + i * interval '20 seconds', (random() * 9)::int, repeat('x', 60) FROM generate_series(200001, 240000) i;
-- query: last hour, beyond the histogram
SELECT * FROM events WHERE at > timestamptz '2026-02-25 12:00+00'
-- query: last day, straddling the old end
SELECT count(*) FROM events WHERE at > timestamptz '2026-02-15 00:00+00'
-- query: newest ids
SELECT * FROM events WHERE id > 239000
-- query: newest ids with a filter
SELECT kind, count(*) FROM events WHERE id > 210000 AND kind = 3 GROUP BY kind
-- query: before the first
SELECT * FROM events WHERE at < timestamptz '2025-12-01'
-- query: nothing is so new
SELECT * FROM events WHERE at > timestamptz '2027-01-01'
-- query: latest twenty
SELECT * FROM events ORDER BY at DESC LIMIT 20
-- query: merge over the ids
SELECT count(*) FROM events a JOIN events b ON b.id = a.id + 1 WHERE a.at > timestamptz '2026-02-24'

-- database: partitioned (range, list and hash, partition-wise settings)
-- setting: enable_partitionwise_join = on
-- setting: enable_partitionwise_aggregate = on
CREATE TABLE orders (id bigint NOT NULL, placed date NOT NULL, region text NOT NULL, customer int NOT NULL, total numeric NOT NULL) PARTITION BY RANGE (placed);
CREATE TABLE orders_old PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE orders_2025_eu PARTITION OF orders_2025 FOR VALUES IN ('de', 'fr', 'it');
CREATE TABLE orders_2025_us PARTITION OF orders_2025 FOR VALUES IN ('us') PARTITION BY HASH (customer);
CREATE TABLE orders_2025_us_0 PARTITION OF orders_2025_us FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE orders_2025_us_1 PARTITION OF orders_2025_us FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE orders_2025_rest PARTITION OF orders_2025 DEFAULT;
CREATE TABLE orders_default PARTITION OF orders DEFAULT;
CREATE TABLE lines (order_id bigint NOT NULL, placed date NOT NULL, amount int NOT NULL) PARTITION BY RANGE (placed);
CREATE TABLE lines_old PARTITION OF lines FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE lines_2025 PARTITION OF lines FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO orders SELECT i, date '2024-01-01' + (i * 800 / 120000), (ARRAY['de', 'fr', 'us', 'us', 'it', 'jp'])[1 + (random() * 5)::int], (random() * random() * 5000)::int, round((random() * 900)::numeric, 2) FROM generate_series(1, 120000) i;
INSERT INTO lines SELECT i, date '2024-01-01' + (i * 700 / 120000), (random() * 9)::int FROM generate_series(1, 120000) i;
CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (placed, id);
CREATE INDEX ON lines (order_id);
VACUUM ANALYZE;
-- query: one partition
SELECT * FROM orders WHERE placed = date '2024-06-01' AND customer = 7
-- query: all partitions by an index
SELECT * FROM orders WHERE customer = 4321
-- query: aggregate by the partition key
SELECT placed, sum(total) FROM orders GROUP BY placed
-- query: partition-wise join
SELECT count(*) FROM orders o JOIN lines l ON l.placed = o.placed AND l.order_id = o.id WHERE o.total > 800
-- query: ordered append
SELECT * FROM orders WHERE placed < date '2025-03-01' ORDER BY placed, id LIMIT 10
-- query: list and hash levels pruned
SELECT count(*) FROM orders WHERE placed BETWEEN date '2025-02-01' AND date '2025-09-01' AND region = 'us' AND customer = 11
-- query: distinct values of the tree
SELECT count(*) FROM (SELECT DISTINCT customer, region FROM orders) s

-- database: extended (ndistinct, dependencies, mcv, expressions)
CREATE TABLE addresses (zip int, city text, state text, country text, created timestamp, n numeric);
INSERT INTO addresses SELECT z, 'city' || z / 10, 'state' || z / 400, 'country' || z / 2000, timestamp '2024-01-01' + (i % 900) * interval '1 day', z % 17 FROM (SELECT i, (random() * random() * 10000)::int AS z FROM generate_series(1, 100000) i) s;
CREATE STATISTICS addresses_ndistinct (ndistinct) ON zip, city, state FROM addresses;
CREATE STATISTICS addresses_dependencies (dependencies) ON city, state, country FROM addresses;
CREATE STATISTICS addresses_mcv (mcv) ON state, country, n FROM addresses;
CREATE STATISTICS addresses_month ON (date_trunc('month', created)) FROM addresses;
CREATE STATISTICS addresses_mixed ON (zip % 100), (n * 2), state FROM addresses;
VACUUM ANALYZE addresses;
-- query: groups by three columns
SELECT zip, city, state, count(*) FROM addresses GROUP BY zip, city, state
-- query: dependent columns
SELECT * FROM addresses WHERE city = 'city12' AND state = 'state0' AND country = 'country0'
-- query: most common combination
SELECT * FROM addresses WHERE state = 'state1' AND country = 'country0'
-- query: a combination that does not exist
SELECT * FROM addresses WHERE state = 'state1' AND country = 'country3'
-- query: grouped by an expression
SELECT date_trunc('month', created), count(*) FROM addresses GROUP BY 1
-- query: expression equals
SELECT * FROM addresses WHERE zip % 100 = 5 AND n * 2 = 8
-- query: two expressions and a column in groups
SELECT zip % 100, n * 2, state FROM addresses GROUP BY 1, 2, 3
-- query: combinations or'ed
SELECT * FROM addresses WHERE (state = 'state1' OR country = 'country1') AND n < 3

-- database: libc (columns under libc's C.UTF-8 and under C)
CREATE TABLE names (id int PRIMARY KEY, plain text, under_c text COLLATE "C");
INSERT INTO names SELECT i, md5(i::text), md5(i::text) FROM generate_series(1, 80000) i;
CREATE INDEX names_plain ON names (plain);
CREATE INDEX names_under_c ON names (under_c);
CREATE INDEX names_pattern ON names (plain text_pattern_ops) WHERE id % 2 = 0;
VACUUM ANALYZE names;
-- query: prefix under a language's collation
SELECT * FROM names WHERE plain LIKE 'ab1%'
-- query: prefix under C
SELECT * FROM names WHERE under_c LIKE 'ab1%'
-- query: prefix by the pattern index
SELECT * FROM names WHERE plain LIKE 'ab%' AND id % 2 = 0
-- query: range
SELECT * FROM names WHERE plain > 'ff' ORDER BY plain
-- query: order by the other collation
SELECT plain FROM names ORDER BY plain COLLATE "C" LIMIT 5

-- database: icu (a column under an ICU collation, and one whose equality ignores case)
CREATE COLLATION german (provider = icu, locale = 'de');
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE words (id int PRIMARY KEY, word text COLLATE german, label text COLLATE ignore_case, other text COLLATE "en-x-icu");
INSERT INTO words SELECT i, md5(i::text), 'L' || i % 300, md5((i % 5000)::text) FROM generate_series(1, 80000) i;
CREATE INDEX words_word ON words (word);
CREATE INDEX words_label ON words (label);
CREATE INDEX words_other ON words (other);
VACUUM ANALYZE words;
-- query: prefix
SELECT * FROM words WHERE word LIKE 'ab1%'
-- query: range
SELECT * FROM words WHERE word BETWEEN 'ab' AND 'ac' ORDER BY word
-- query: equality that ignores case
SELECT * FROM words WHERE label = 'l17'
-- query: groups
SELECT other, count(*) FROM words GROUP BY other ORDER BY other LIMIT 10
-- query: merge or hash
SELECT count(*) FROM words a JOIN words b ON a.word = b.word WHERE a.other > 'f'

-- database: icu_default (the database's own collation is an ICU one)
-- create: TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'
CREATE TABLE words (id int PRIMARY KEY, word text, under_c text COLLATE "C");
INSERT INTO words SELECT i, md5(i::text), md5(i::text) FROM generate_series(1, 80000) i;
CREATE INDEX words_word ON words (word);
CREATE INDEX words_under_c ON words (under_c);
VACUUM ANALYZE words;
-- query: prefix
SELECT * FROM words WHERE word LIKE 'ab1%'
-- query: prefix under C
SELECT * FROM words WHERE under_c LIKE 'ab1%'
-- query: range
SELECT * FROM words WHERE word BETWEEN 'ab' AND 'ac' ORDER BY word
-- query: order of the other collation
SELECT word FROM words ORDER BY word COLLATE "C" LIMIT 5

-- database: inheritance (children with a parent's own rows)
CREATE TABLE cities (name text NOT NULL, population int, founded int);
CREATE TABLE capitals (country text) INHERITS (cities);
CREATE TABLE ports (harbour text) INHERITS (cities);
INSERT INTO cities SELECT md5(i::text), (random() * 1000000)::int, 1000 + i % 900 FROM generate_series(1, 30000) i;
INSERT INTO capitals SELECT md5(i::text), 900000 + (random() * 9000000)::int, i % 1500, 'c' || i % 190 FROM generate_series(1, 5000) i;
INSERT INTO ports SELECT md5(i::text), (random() * 200000)::int, 1700 + i % 200, 'h' FROM generate_series(1, 20000) i;
CREATE INDEX ON cities (population);
CREATE INDEX ON capitals (population);
CREATE INDEX ON ports (population);
VACUUM ANALYZE;
-- query: whole tree by an index
SELECT * FROM cities WHERE population > 900000
-- query: the parent alone
SELECT * FROM ONLY cities WHERE population > 900000
-- query: groups over the tree
SELECT founded, count(*) FROM cities GROUP BY founded
-- query: top of the tree
SELECT * FROM cities ORDER BY population DESC LIMIT 5
-- query: joined trees
SELECT count(*) FROM cities a JOIN capitals b USING (name) WHERE a.founded < 1100

-- database: expressions (statistics of expression indexes and partial ones)
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, born date, state text, data jsonb);
INSERT INTO users SELECT i, 'User' || i % 40000 || '@Example.org', date '1950-01-01' + (random() * 20000)::int, CASE WHEN random() < 0.02 THEN 'open' ELSE 'done' END, jsonb_build_object('plan', (ARRAY['free', 'pro', 'max'])[1 + (random() * random() * 2.9)::int], 'n', i % 50) FROM generate_series(1, 80000) i;
CREATE INDEX users_lower ON users (lower(email));
CREATE INDEX users_year ON users ((extract(year FROM born)));
CREATE INDEX users_open ON users (born) WHERE state = 'open';
CREATE INDEX users_plan ON users ((data ->> 'plan'), id);
VACUUM ANALYZE users;
-- query: expression equals
SELECT * FROM users WHERE lower(email) = 'user17@example.org'
-- query: expression range
SELECT * FROM users WHERE extract(year FROM born) > 2003
-- query: partial index
SELECT * FROM users WHERE state = 'open' AND born > date '1990-01-01'
-- query: common value of an expression
SELECT * FROM users WHERE data ->> 'plan' = 'max' ORDER BY id LIMIT 20
-- query: groups by an expression
SELECT data ->> 'plan', count(*) FROM users GROUP BY 1
-- query: groups by another
SELECT lower(email), count(*) FROM users GROUP BY lower(email)

-- database: elements (jsonb and arrays under GIN, tsvector, ranges under GiST, BRIN)
CREATE TABLE documents (id int PRIMARY KEY, tags text[] NOT NULL, body jsonb NOT NULL, words tsvector, during tstzrange, numbers int4range, logged timestamptz, grade int);
INSERT INTO documents SELECT i, ARRAY['t' || (random() * random() * 200)::int, 't' || (random() * 900)::int, 'a' || i % 3], jsonb_build_object('kind', i % 40, 'owner', jsonb_build_object('id', i % 3000)), to_tsvector('simple', 'common word' || i % 700 || CASE WHEN i % 50 = 0 THEN ' rare' ELSE '' END), tstzrange(timestamptz '2026-01-01 00:00+00' + i * interval '1 minute', timestamptz '2026-01-01 00:00+00' + (i + (random() * 600)::int) * interval '1 minute'), CASE WHEN i % 20 = 0 THEN 'empty'::int4range ELSE int4range(i, i + (random() * 50)::int + 1) END, timestamptz '2026-01-01 00:00+00' + i * interval '30 seconds', i % 1000 FROM generate_series(1, 60000) i;
CREATE INDEX documents_tags ON documents USING gin (tags);
CREATE INDEX documents_body ON documents USING gin (body jsonb_path_ops);
CREATE INDEX documents_words ON documents USING gin (words);
CREATE INDEX documents_during ON documents USING gist (during);
CREATE INDEX documents_numbers ON documents USING gist (numbers);
CREATE INDEX documents_logged ON documents USING brin (logged);
CREATE INDEX documents_grade ON documents USING hash (grade);
VACUUM ANALYZE documents;
-- query: array contains
SELECT * FROM documents WHERE tags @> ARRAY['t3']
-- query: array overlaps
SELECT * FROM documents WHERE tags && ARRAY['t190', 't191']
-- query: element of an array
SELECT * FROM documents WHERE 'a1' = ANY (tags)
-- query: jsonb contains
SELECT * FROM documents WHERE body @> '{"owner": {"id": 77}}'
-- query: text search
SELECT * FROM documents WHERE words @@ 'rare'::tsquery
-- query: text search, two words
SELECT * FROM documents WHERE words @@ 'common & word12'::tsquery
-- query: text search, a prefix
SELECT * FROM documents WHERE words @@ 'word1:*'::tsquery
-- query: range overlaps
SELECT * FROM documents WHERE during && tstzrange('2026-02-01 00:00+00', '2026-02-01 06:00+00')
-- query: range contains an element
SELECT * FROM documents WHERE numbers @> 4711
-- query: empty range
SELECT * FROM documents WHERE numbers = 'empty'
-- query: block range
SELECT * FROM documents WHERE logged BETWEEN timestamptz '2026-01-10 00:00+00' AND timestamptz '2026-01-10 12:00+00'
-- query: hash
SELECT * FROM documents WHERE grade = 512
-- query: all of them
SELECT count(*) FROM documents WHERE tags @> ARRAY['a1'] AND body @> '{"kind": 7}' AND logged > timestamptz '2026-01-15'

-- database: inspected (the same with pageinspect, which tells heights and GIN counts to superusers)
-- create: TEMPLATE special_elements
CREATE EXTENSION pageinspect;
-- query: array overlaps
SELECT * FROM documents WHERE tags && ARRAY['t190', 't191']
-- query: jsonb contains
SELECT * FROM documents WHERE body @> '{"owner": {"id": 77}}'
-- query: text search
SELECT * FROM documents WHERE words @@ 'rare'::tsquery
-- query: text search, two words
SELECT * FROM documents WHERE words @@ 'common & word12'::tsquery
-- query: text search, a prefix
SELECT * FROM documents WHERE words @@ 'word1:*'::tsquery

-- database: unanalysed (a table never analysed, an empty one, one whose rows are gone)
CREATE TABLE fresh (id int PRIMARY KEY, a int, b text);
INSERT INTO fresh SELECT i, i % 100, md5(i::text) FROM generate_series(1, 50000) i;
CREATE INDEX ON fresh (a);
CREATE TABLE nothing (id int PRIMARY KEY, a int);
CREATE TABLE emptied (id int PRIMARY KEY, a int);
INSERT INTO emptied SELECT i, i % 10 FROM generate_series(1, 30000) i;
VACUUM ANALYZE emptied;
DELETE FROM emptied WHERE id > 100;
VACUUM emptied;
-- query: equality without statistics
SELECT * FROM fresh WHERE a = 5
-- query: join with an empty table
SELECT * FROM fresh JOIN nothing USING (a)
-- query: groups without statistics
SELECT a, count(*) FROM fresh GROUP BY a
-- query: what is left
SELECT * FROM emptied WHERE a = 3
-- query: join of all
SELECT count(*) FROM fresh f JOIN emptied e ON e.id = f.id LEFT JOIN nothing n ON n.id = f.id

-- database: options (parallel workers, fillfactor, bloat, half visible, wide values)
CREATE TABLE wide (id int PRIMARY KEY, a int, payload text) WITH (parallel_workers = 4, fillfactor = 60);
INSERT INTO wide SELECT i, i % 1000, repeat(md5(i::text), 12) FROM generate_series(1, 60000) i;
CREATE INDEX wide_a ON wide (a) INCLUDE (id) WITH (fillfactor = 50);
CREATE TABLE toasted (id int PRIMARY KEY, big text);
ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 3000) i;
VACUUM ANALYZE;
UPDATE wide SET payload = payload || 'x' WHERE id < 20000;
-- query: parallel scan
SELECT sum(length(payload)) FROM wide
-- query: index-only, half visible
SELECT a, id FROM wide WHERE a = 17
-- query: index-only range
SELECT count(*) FROM wide WHERE id BETWEEN 30000 AND 40000
-- query: values out of line
SELECT id FROM toasted WHERE big LIKE '%abc%'
-- query: join
SELECT count(*) FROM wide w JOIN toasted t USING (id) WHERE w.a < 50

-- database: tablespaces (tablespaces with costs of their own)
-- tablespace: bench_slow seq_page_cost = 3, random_page_cost = 9
CREATE TABLE near (id int PRIMARY KEY, a int, filler text);
CREATE TABLE far (id int PRIMARY KEY USING INDEX TABLESPACE bench_slow, a int, filler text) TABLESPACE bench_slow;
INSERT INTO near SELECT i, i % 500, repeat('x', 100) FROM generate_series(1, 50000) i;
INSERT INTO far SELECT i, i % 500, repeat('x', 100) FROM generate_series(1, 50000) i;
CREATE INDEX ON near (a);
CREATE INDEX ON far (a) TABLESPACE bench_slow;
VACUUM ANALYZE;
-- query: near
SELECT * FROM near WHERE a = 5
-- query: far
SELECT * FROM far WHERE a = 5
-- query: far, all
SELECT count(*) FROM far
-- query: both
SELECT count(*) FROM near JOIN far USING (id) WHERE near.a = 7
