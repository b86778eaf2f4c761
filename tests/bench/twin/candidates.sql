-- database: candidates (a table of many kinds of columns, and one to join it with)
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, country text NOT NULL, born date);
CREATE TABLE readings (id int PRIMARY KEY, serial int NOT NULL, device int NOT NULL, customer int NOT NULL, at timestamptz NOT NULL, value numeric NOT NULL, score int, status text NOT NULL, flag boolean NOT NULL, email text NOT NULL, note text NOT NULL, big bigint NOT NULL, payload jsonb NOT NULL, tags text[] NOT NULL, during tstzrange NOT NULL, spot point NOT NULL, ip inet NOT NULL);
INSERT INTO customers SELECT i, 'name ' || md5(i::text), 'c' || (random() * random() * 60)::int, date '1940-01-01' + (random() * 22000)::int FROM generate_series(1, 20000) i;
INSERT INTO readings SELECT i, i * 3, (random() * random() * 2000)::int, 1 + (random() * 19999)::int, timestamptz '2026-01-01 00:00+00' + i * interval '20 seconds', round((random() * 10000)::numeric, 2), CASE WHEN random() < 0.8 THEN (random() * 100000)::int END, (ARRAY['done', 'done', 'done', 'open'])[1 + (random() * 3)::int] || CASE WHEN random() < 0.004 THEN ' failed' ELSE '' END, random() < 0.3, 'User' || (random() * 60000)::int || '@example.org', md5(i::text) || ' ' || (ARRAY['alpha', 'beta', 'gamma', 'delta'])[1 + (random() * 3)::int] || ' ' || md5((i % 5000)::text), (random() * 4e18)::bigint, jsonb_build_object('kind', i % 60, 'owner', (random() * 4000)::int) || CASE WHEN random() < 0.01 THEN '{"rare": true}'::jsonb ELSE '{}' END, ARRAY['t' || (random() * random() * 300)::int, 't' || (random() * 2000)::int], tstzrange(timestamptz '2026-01-01 00:00+00' + i * interval '20 seconds', timestamptz '2026-01-01 00:00+00' + (i + 1 + (random() * 400)::int) * interval '20 seconds'), point(random() * 1000, random() * 1000), ('10.' || (random() * 40)::int || '.' || (random() * 255)::int || '.' || i % 256)::inet FROM generate_series(1, 150000) i;
VACUUM ANALYZE;
-- candidate: btree
CREATE INDEX candidate ON readings (device);
SELECT * FROM readings WHERE device = 417
-- candidate: btree
CREATE INDEX candidate ON readings (device);
SELECT device, count(*) FROM readings WHERE device BETWEEN 1000 AND 1100 GROUP BY device
-- candidate: btree
CREATE INDEX candidate ON readings (at);
SELECT * FROM readings WHERE at BETWEEN '2026-01-20 00:00+00' AND '2026-01-20 06:00+00'
-- candidate: btree
CREATE INDEX candidate ON readings (value);
SELECT * FROM readings WHERE value > 9990
-- candidate: btree
CREATE INDEX candidate ON readings (status);
SELECT * FROM readings WHERE status = 'open failed'
-- candidate: btree, not selective
CREATE INDEX candidate ON readings (status);
SELECT * FROM readings WHERE status = 'done'
-- candidate: btree
CREATE INDEX candidate ON readings (email);
SELECT * FROM readings WHERE email = 'User4711@example.org'
-- candidate: btree, for its order
CREATE INDEX candidate ON readings (big);
SELECT * FROM readings ORDER BY big LIMIT 10
-- candidate: btree, for a join
CREATE INDEX candidate ON readings (customer);
SELECT count(*) FROM readings r JOIN customers c ON c.id = r.customer WHERE c.born < date '1940-03-01'
-- candidate: btree, for a semi-join
CREATE INDEX candidate ON readings (customer);
SELECT * FROM customers c WHERE c.country = 'c50' AND EXISTS (SELECT FROM readings r WHERE r.customer = c.id)
-- candidate: btree on a list
CREATE INDEX candidate ON readings (customer);
SELECT * FROM readings WHERE customer IN (17, 420, 4711, 18000)
-- candidate: btree for a merge join
CREATE INDEX candidate ON readings (serial);
SELECT count(*) FROM readings a JOIN readings b ON a.serial = b.id WHERE a.id < 50000
-- candidate: unique btree
CREATE UNIQUE INDEX candidate ON readings (serial);
SELECT * FROM readings WHERE serial = 42
-- candidate: btree, composite
CREATE INDEX candidate ON readings (device, at);
SELECT * FROM readings WHERE device = 17 AND at > '2026-01-30 00:00+00'
-- candidate: btree, composite for order
CREATE INDEX candidate ON readings (status, at);
SELECT * FROM readings WHERE status = 'open' ORDER BY at DESC LIMIT 20
-- candidate: btree, composite
CREATE INDEX candidate ON readings (customer, value);
SELECT customer, max(value) FROM readings WHERE customer < 200 GROUP BY customer
-- candidate: btree, three columns
CREATE INDEX candidate ON readings (device, status, at);
SELECT * FROM readings WHERE device = 40 AND status = 'open' AND at < '2026-01-10 00:00+00'
-- candidate: btree, second column asked
CREATE INDEX candidate ON readings (flag, big);
SELECT * FROM readings WHERE big < 1000000000000
-- candidate: btree, DESC NULLS LAST
CREATE INDEX candidate ON readings (score DESC NULLS LAST);
SELECT * FROM readings ORDER BY score DESC NULLS LAST LIMIT 10
-- candidate: btree, DESC NULLS LAST
CREATE INDEX candidate ON readings (device, score DESC NULLS LAST);
SELECT * FROM readings WHERE device = 3 ORDER BY score DESC NULLS LAST LIMIT 5
-- candidate: btree, DESC, the wrong NULLs
CREATE INDEX candidate ON readings (score DESC NULLS LAST);
SELECT * FROM readings ORDER BY score DESC LIMIT 10
-- candidate: btree, INCLUDE
CREATE INDEX candidate ON readings (device) INCLUDE (value);
SELECT sum(value) FROM readings WHERE device = 17
-- candidate: btree, INCLUDE
CREATE INDEX candidate ON readings (at) INCLUDE (status);
SELECT status, count(*) FROM readings WHERE at > '2026-01-28 00:00+00' GROUP BY status
-- candidate: btree, INCLUDE
CREATE INDEX candidate ON readings (customer) INCLUDE (at, value);
SELECT c.name, r.at, r.value FROM customers c JOIN readings r ON r.customer = c.id WHERE c.id BETWEEN 100 AND 160
-- candidate: btree, partial
CREATE INDEX candidate ON readings (at) WHERE status = 'done failed';
SELECT * FROM readings WHERE status = 'done failed' AND at > '2026-01-25 00:00+00'
-- candidate: btree, partial
CREATE INDEX candidate ON readings (customer) WHERE flag;
SELECT count(*) FROM readings WHERE flag AND customer = 99
-- candidate: btree, partial
CREATE INDEX candidate ON readings (score) WHERE score IS NOT NULL;
SELECT * FROM readings WHERE score > 99800
-- candidate: btree, partial, not implied
CREATE INDEX candidate ON readings (device) WHERE at > '2026-01-25 00:00+00';
SELECT * FROM readings WHERE device = 17 AND at > '2026-01-20 00:00+00'
-- candidate: btree, expression
CREATE INDEX candidate ON readings (lower(email));
SELECT * FROM readings WHERE lower(email) = 'user4711@example.org'
-- candidate: btree, expression
CREATE INDEX candidate ON readings (date_trunc('day', at AT TIME ZONE 'UTC'));
SELECT * FROM readings WHERE date_trunc('day', at AT TIME ZONE 'UTC') = timestamp '2026-01-17'
-- candidate: btree, expression
CREATE INDEX candidate ON readings ((payload ->> 'owner'), at);
SELECT * FROM readings WHERE payload ->> 'owner' = '77' ORDER BY at LIMIT 5
-- candidate: btree, expression
CREATE INDEX candidate ON readings ((value * 2));
SELECT * FROM readings WHERE value * 2 > 19999
-- candidate: btree, operator class
CREATE INDEX candidate ON readings (email text_pattern_ops);
SELECT * FROM readings WHERE email LIKE 'User123%'
-- candidate: btree, collation
CREATE INDEX candidate ON readings (note COLLATE "C");
SELECT * FROM readings WHERE note COLLATE "C" LIKE 'ab12%'
-- candidate: hash
CREATE INDEX candidate ON readings USING hash (email);
SELECT * FROM readings WHERE email = 'User4711@example.org'
-- candidate: hash
CREATE INDEX candidate ON readings USING hash (device);
SELECT * FROM readings WHERE device = 417
-- candidate: hash, for a join
CREATE INDEX candidate ON readings USING hash (customer);
SELECT count(*) FROM readings r JOIN customers c ON c.id = r.customer WHERE c.id < 40
-- candidate: BRIN
CREATE INDEX candidate ON readings USING brin (at);
SELECT * FROM readings WHERE at BETWEEN '2026-01-20 00:00+00' AND '2026-01-20 06:00+00'
-- candidate: BRIN
CREATE INDEX candidate ON readings USING brin (serial);
SELECT sum(value) FROM readings WHERE serial > 400000
-- candidate: BRIN, small ranges
CREATE INDEX candidate ON readings USING brin (at) WITH (pages_per_range = 16);
SELECT * FROM readings WHERE at BETWEEN '2026-01-20 00:00+00' AND '2026-01-20 01:00+00'
-- candidate: BRIN, two columns
CREATE INDEX candidate ON readings USING brin (at, id);
SELECT count(*) FROM readings WHERE at < '2026-01-05 00:00+00' AND id > 3000
-- candidate: BRIN, several ranges
CREATE INDEX candidate ON readings USING brin (at timestamptz_minmax_multi_ops);
SELECT * FROM readings WHERE at > '2026-02-03 00:00+00'
-- candidate: BRIN, not correlated
CREATE INDEX candidate ON readings USING brin (big);
SELECT * FROM readings WHERE big < 1000000000000
-- candidate: GIN on an array
CREATE INDEX candidate ON readings USING gin (tags);
SELECT * FROM readings WHERE tags @> ARRAY['t1234']
-- candidate: GIN on an array
CREATE INDEX candidate ON readings USING gin (tags);
SELECT * FROM readings WHERE tags && ARRAY['t290', 't1900', 't1901']
-- candidate: GIN on jsonb
CREATE INDEX candidate ON readings USING gin (payload);
SELECT * FROM readings WHERE payload @> '{"owner": 77}'
-- candidate: GIN on jsonb, a key
CREATE INDEX candidate ON readings USING gin (payload);
SELECT * FROM readings WHERE payload ? 'rare'
-- candidate: GIN on jsonb, paths
CREATE INDEX candidate ON readings USING gin (payload jsonb_path_ops);
SELECT * FROM readings WHERE payload @> '{"kind": 7, "owner": 77}'
-- candidate: GIN on words
CREATE INDEX candidate ON readings USING gin (to_tsvector('simple', note));
SELECT * FROM readings WHERE to_tsvector('simple', note) @@ 'alpha & beta'::tsquery
-- candidate: GiST on a range
CREATE INDEX candidate ON readings USING gist (during);
SELECT * FROM readings WHERE during && tstzrange('2026-01-20 00:00+00', '2026-01-20 00:10+00')
-- candidate: GiST on a range
CREATE INDEX candidate ON readings USING gist (during);
SELECT count(*) FROM readings WHERE during @> timestamptz '2026-01-20 00:00+00'
-- candidate: GiST on points
CREATE INDEX candidate ON readings USING gist (spot);
SELECT * FROM readings WHERE spot <@ box '((10,10),(30,30))'
-- candidate: GiST, nearest
CREATE INDEX candidate ON readings USING gist (spot);
SELECT * FROM readings ORDER BY spot <-> point '(500,500)' LIMIT 5
-- candidate: GiST on addresses
CREATE INDEX candidate ON readings USING gist (ip inet_ops);
SELECT * FROM readings WHERE ip <<= inet '10.7.3.0/24'
-- candidate: SP-GiST
CREATE INDEX candidate ON readings USING spgist (ip inet_ops);
SELECT * FROM readings WHERE ip <<= inet '10.7.3.0/24'
-- candidate: trigram, GIN
CREATE INDEX candidate ON readings USING gin (note gin_trgm_ops);
SELECT * FROM readings WHERE note ILIKE '%abc123%'
-- candidate: trigram, GIN, similar
CREATE INDEX candidate ON customers USING gin (name gin_trgm_ops);
SELECT * FROM customers WHERE name % 'name c4ca4238a0b9'
-- candidate: trigram, GiST
CREATE INDEX candidate ON customers USING gist (name gist_trgm_ops);
SELECT * FROM customers WHERE name LIKE '%c4ca42%'
-- candidate: trigram, GiST, nearest
CREATE INDEX candidate ON customers USING gist (name gist_trgm_ops);
SELECT * FROM customers ORDER BY name <-> 'name c4ca4238' LIMIT 3
