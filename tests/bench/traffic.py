# ruff: noqa: E501 statements on one line, as an ORM sends them
"""What the applications of the bench's server do: pgbench scripts over `fixtures/schemas/shop.sql`, each a unit of work.

pgbench writes `:name` into the text itself under the simple protocol, so that literals and comments vary there, and
makes it a parameter under the two others. It has no loops: a loop of an application stands unrolled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROWS = """
INSERT INTO categories (id, name, slug) SELECT n, 'Category ' || n, 'category-' || n FROM generate_series(1, 20) n;
INSERT INTO customers (id, email, full_name, phone, country, created_at)
SELECT n, 'customer' || n || '@example.com', 'Customer ' || n, '+49 30 ' || n, 'DE',
       '2026-01-01'::timestamptz + n * interval '1 hour' FROM generate_series(1, 300) n;
INSERT INTO products (id, sku, name, price, stock)
SELECT n, 'SKU-' || n, 'Product ' || n, n % 90, 100000000 FROM generate_series(1, 200) n;
INSERT INTO product_categories SELECT n, 1 + n % 20 FROM generate_series(1, 200) n;
INSERT INTO orders (id, customer_id, status, total, created_at)
SELECT n, 1 + n % 300, 'delivered', n % 400, '2026-01-01'::timestamp + n * interval '2 hours'
FROM generate_series(1, 1200) n;
INSERT INTO order_items (order_id, product_id, quantity, unit_price)
SELECT 1 + n % 1200, 1 + n % 200, 1 + n % 5, n % 90 FROM generate_series(1, 2400) n;
INSERT INTO payments (order_id, provider, provider_reference, amount)
SELECT n, 'bank', 'pay_' || md5(n::text), n % 400 FROM generate_series(1, 1200) n;
INSERT INTO addresses (customer_id, kind, street, city, postcode, country)
SELECT n, 'shipping', 'Street ' || n, 'Berlin', '10115', 'DE' FROM generate_series(1, 300) n;
INSERT INTO shipments (order_id, tracking_number, status)
SELECT n, 'TRK' || n * 7919, 'ready' FROM generate_series(1, 1200) n;
INSERT INTO carts (id, customer_id) SELECT n, n FROM generate_series(1, 300) n;
CREATE FUNCTION order_total(integer) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE found numeric;
BEGIN
    SELECT sum(quantity * unit_price) INTO found FROM order_items WHERE order_id = $1;
    UPDATE orders SET total = coalesce(found, 0) WHERE id = $1;
    RETURN found;
END $$;
SELECT setval(pg_get_serial_sequence('orders', 'id'), 1200);
"""

TIDY = """
TRUNCATE events, audit_log, reviews, cart_items, wishlist_items, jobs, "StockMovements";
DELETE FROM order_items WHERE order_id > 1200; DELETE FROM payments WHERE id > 1200; DELETE FROM orders WHERE id > 1200;
"""
"""Between two rounds: the tables stay small, so that statements stay cheap and the log grows fast."""

VARIABLES = """\\set id random(1, 300)
\\set order random(1, 1200)
\\set product random(1, 200)
\\set other random(1, 200)
\\set number random(1, 1000000)
\\set month random(1, 9)
\\set day random(10, 28)
\\set trace random(100000000000, 999999999999)
\\set span random(100000, 999999)
\\set price random(1, 99)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One pgbench: its role, its `application_name`, its protocol, its units of work with their weights.

    `count` of them are done by each client in a round.
    """

    name: str
    role: str
    protocol: str
    count: int
    units: Mapping[str, int]


_TAGS = "traceparent='00-4bf92f3577b34da6a3ce:trace-00f067aa0b:span-01'"

_WEB: Mapping[str, int] = {
    # A page of an ORM without batching: one parent, then a child per row, in a transaction.
    """BEGIN;
SELECT "orders"."id", "orders"."customer_id", "orders"."status", "orders"."total", "orders"."created_at" FROM "orders" WHERE ("orders"."customer_id" = :id AND "orders"."status" IN ('pending', 'paid', 'delivered')) ORDER BY "orders"."created_at" DESC LIMIT 4;
"""
    + "".join(
        f"""\\set child{n} 1 + (:id + {n} * 300 - 1) % 1200
SELECT "order_items"."id", "order_items"."order_id", "order_items"."product_id", "order_items"."quantity", "order_items"."unit_price" FROM "order_items" WHERE "order_items"."order_id" = :child{n} ORDER BY "order_items"."id" ASC;
SELECT "shipments"."id", "shipments"."carrier", "shipments"."tracking_number", "shipments"."status" FROM "shipments" WHERE "shipments"."order_id" = :child{n} LIMIT 21;
"""
        for n in range(4)
    )
    + "COMMIT;\n": 4,
    f"""SELECT "customers"."id", "customers"."email", "customers"."full_name" FROM "customers" WHERE "customers"."email" = 'customer:id@example.com' LIMIT 21 /*controller='session',action='create',route='%2Flogin',{_TAGS}*/;
UPDATE "customers" SET "last_login_at" = '2026-0:month-:day 10:31:07.123456+00:00'::timestamptz WHERE "customers"."id" = :id /*controller='session',action='create',route='%2Flogin',{_TAGS}*/;
SELECT count(*) FROM wishlist_items WHERE customer_id = :id /*controller='session',action='create',route='%2Flogin',{_TAGS}*/;
""": 6,
    """SELECT id, sku, name, price FROM products WHERE id IN (:product, :other, 7, 9) AND active;
SELECT id, sku, name, price FROM products WHERE id IN (:product, :other, 3, 17, 21, 42, 77, 99, 111, 150) AND active;
SELECT id, name FROM products WHERE sku IN ('SKU-:product', 'SKU-:other', 'SKU-7');
SELECT product_id, category_id FROM product_categories WHERE product_id = ANY (ARRAY[:product, :other]);
""": 5,
    """SELECT o.id, c.full_name, count(*) AS lines,
       sum(i.quantity * i.unit_price) AS total
  FROM orders o
  JOIN customers c ON c.id = o.customer_id
  JOIN order_items i ON i.order_id = o.id
 WHERE o.id = :order
   AND o.created_at >= '2026-0:month-:day 00:00:00'
   AND c.country = 'DE' -- only domestic
 GROUP BY o.id, c.full_name
 ORDER BY total DESC
 LIMIT 50;
SELECT p.id, p.name,
       (SELECT count(*) FROM reviews r WHERE r.product_id = p.id) AS reviews,
       (SELECT avg(r.rating)::numeric(3, 2) FROM reviews r WHERE r.product_id = p.id) AS rating
  FROM products p
 WHERE p.id = :product;
""": 3,
    """SELECT id, body, rating FROM reviews WHERE product_id = :product AND created_at > '2026-0:month-:day' ORDER BY created_at DESC LIMIT 10 OFFSET :price;
SELECT id, name, price FROM products WHERE lower(name) = 'product :product' AND price BETWEEN 1 AND :price;
SELECT id, name FROM products WHERE name LIKE 'Product :product%' ORDER BY name LIMIT 20;
SELECT id, full_name FROM customers WHERE full_name ILIKE '%omer :id%' ORDER BY id LIMIT 25;
SELECT id, phone FROM customers WHERE phone = '+49 30 :id' OR email = 'o''hara+:number@example.com';
SELECT id, status FROM orders WHERE id = :order /* basket */;
""": 5,
    """BEGIN;
INSERT INTO orders (customer_id, status, currency, total, coupon_code) VALUES (:id, 'pending', 'EUR', :price.95, NULL) RETURNING id AS fresh \\gset
INSERT INTO order_items (order_id, product_id, quantity, unit_price) VALUES (:fresh, :product, 2, 9.99), (:fresh, :other, 1, :price.50);
INSERT INTO payments (order_id, provider, provider_reference, amount) VALUES (:fresh, 'card', 'pay_:number', :price.95);
UPDATE products SET stock = stock - 1 WHERE id = :product;
INSERT INTO events (customer_id, session_id, kind, payload) VALUES (:id, 'f81d4fae-7dec-11d0-a765-:trace', 'ordered', '{"order": :fresh, "source": "web", "path": "/basket/:number"}');
COMMIT;
""": 3,
    """SELECT e.id, e.kind FROM events e WHERE e.session_id = '9b2e4c1a-7dec-41d0-b765-:trace' LIMIT 5;
SELECT count(*) FROM jobs WHERE state = 'queued' AND run_at <= '2026-0:month-:day 09:15:00+02'::timestamptz - interval '5 minutes';
SELECT id FROM audit_log WHERE actor = E'user\\\\:id' AND entity = $tag$order$tag$ AND entity_id = :number;
SELECT "Id", "Delta" FROM "StockMovements" WHERE "ProductId" = :product AND "WarehouseCode" = 'WH-:price' ORDER BY "MovedAt" DESC LIMIT 1;
SELECT day, orders, revenue FROM reporting.revenue_per_day WHERE day >= DATE '2026-0:month-:day' LIMIT 31;
""": 4,
    """SELECT 1;
SET statement_timeout = 30000;
SELECT set_config('application.tenant', ':number', true);
""": 2,
    """SELECT order_total(:order);
WITH recent AS (SELECT id, customer_id FROM orders WHERE customer_id = :id ORDER BY id DESC LIMIT 3)
SELECT c.id, c.full_name, r.id FROM recent r JOIN customers c ON c.id = r.customer_id;
""": 1,
    """SELECT a.id, a.street, a.city, a.postcode FROM addresses a WHERE a.customer_id = :id AND a.kind = 'shipping';
SELECT ci.product_id, ci.quantity, p.name, p.price FROM cart_items ci JOIN products p ON p.id = ci.product_id WHERE ci.cart_id = :id;
INSERT INTO cart_items (cart_id, product_id, quantity) VALUES (:id, :product, 1) ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = cart_items.quantity + 1;
DELETE FROM cart_items WHERE cart_id = :id AND product_id = :other;
UPDATE carts SET updated_at = '2026-0:month-:day 12:00:00', status = 'open' WHERE id = :id;
""": 3,
}

_API: Mapping[str, int] = {
    """SELECT id, email, full_name, status, created_at FROM customers WHERE id = :id;
SELECT id, status, total, created_at FROM orders WHERE customer_id = :id ORDER BY created_at DESC LIMIT :price;
""": 6,
    """SELECT t.id, t.sku, t.name, t.price, t.stock, t.active, t.created_at FROM products t WHERE t.id = :product AND t.active = true;
SELECT category_id FROM product_categories WHERE product_id = :product;
SELECT id, rating, body FROM reviews WHERE product_id = :product AND rating >= :month % 5 ORDER BY created_at DESC LIMIT 20;
""": 5,
    """BEGIN;
INSERT INTO audit_log (actor, entity, entity_id, action) VALUES ('user:' || :id::text, 'order', :order, 'viewed');
INSERT INTO reviews (product_id, customer_id, rating, body) VALUES (:product, :id, 1 + :order % 5, 'fine, it''s good') ON CONFLICT DO NOTHING;
UPDATE customers SET marketing_opt_in = NOT marketing_opt_in, last_login_at = now() WHERE id = :id AND status = 'active';
COMMIT;
""": 3,
    """select order0_.id as id1_4_0_, order0_.customer_id as customer2_4_0_, order0_.status as status3_4_0_, order0_.currency as currency4_4_0_, order0_.total as total5_4_0_, customer1_.id as id1_2_1_, customer1_.email as email2_2_1_ from orders order0_ inner join customers customer1_ on order0_.customer_id=customer1_.id where order0_.id=:order;
select items0_.order_id as order_id2_3_0_, items0_.id as id1_3_0_, items0_.quantity as quantity3_3_1_ from order_items items0_ where items0_.order_id=:order;
""": 4,
    """SELECT n.id, n.total
FROM (
    SELECT o.id, o.total, row_number() OVER (PARTITION BY o.customer_id ORDER BY o.total DESC) AS place
    FROM orders o
    WHERE o.customer_id = :id
) n
WHERE n.place <= :month;
SELECT EXISTS (SELECT 1 FROM wishlist_items WHERE customer_id = :id AND product_id = :product);
""": 2,
    """SELECT id, kind, payload FROM jobs WHERE state = 'queued' AND run_at <= now() ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED;
""": 3,
    """SELECT id, provider_reference, amount FROM payments WHERE order_id = :order AND status = 'open'
/*application='api',controller='payments',action='show'*/;
UPDATE shipments SET status = 'ready', delivered_at = NULL WHERE order_id = :order AND tracking_number = 'TRK' || :number::text;
""": 3,
}

_WORKER: Mapping[str, int] = {
    "SELECT id, customer_id, total FROM orders WHERE status = 'delivered' AND id > :order ORDER BY id LIMIT 6;\n"
    + "".join(
        f"\\set child{n} 1 + (:order + {n}) % 1200\n"
        f"SELECT id, status, amount FROM payments WHERE order_id = :child{n} ORDER BY id;\n"
        for n in range(6)
    ): 4,
    "BEGIN;\n"
    + "".join(
        "\\set number random(1, 1000000)\n"
        "INSERT INTO events (customer_id, session_id, kind) VALUES (:id, gen_random_uuid(), 'batch' || :number);\n"
        for n in range(8)
    )
    + "COMMIT;\n": 2,
    """BEGIN;
SELECT id, stock FROM products WHERE id = :product FOR UPDATE;
UPDATE products SET stock = stock - :month WHERE id = :product;
INSERT INTO "StockMovements" ("ProductId", "WarehouseCode", "Delta") VALUES (:product, 'WH-1', - :month::int);
COMMIT;
""": 3,
    """INSERT INTO jobs (kind, state, payload) VALUES ('mail', 'queued', jsonb_build_object('customer', :id::int, 'order', :order::int)) RETURNING id;
DELETE FROM jobs WHERE kind = 'mail' AND state = 'done' AND id < :number;
""": 2,
}

APPLICATIONS: Sequence[Application] = (
    Application(name="web", role="app", protocol="simple", count=3000, units=_WEB),
    Application(name="api", role="api", protocol="extended", count=1000, units=_API),
    Application(name="worker", role="worker", protocol="prepared", count=600, units=_WORKER),
)
