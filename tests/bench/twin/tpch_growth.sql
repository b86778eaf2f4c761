INSERT INTO orders
SELECT o_orderkey + 100000000, o_custkey, o_orderstatus, o_totalprice, o_orderdate + 200, o_orderpriority, o_clerk,
    o_shippriority, o_comment
FROM orders
WHERE o_orderkey % 10 < 3;
INSERT INTO lineitem
SELECT l_orderkey + 100000000, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax,
    l_returnflag, l_linestatus, l_shipdate + 200, l_commitdate + 200, l_receiptdate + 200, l_shipinstruct, l_shipmode,
    l_comment
FROM lineitem
WHERE l_orderkey % 10 < 3;
INSERT INTO customer
SELECT c_custkey + 100000000, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment
FROM customer
WHERE c_custkey % 10 < 3;
