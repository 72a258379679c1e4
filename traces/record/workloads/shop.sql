-- shop.sql - work for sqlite3: a shop's database is filled, asked, changed and packed.
PRAGMA journal_mode = MEMORY;
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, since TEXT);
CREATE TABLE product (id INTEGER PRIMARY KEY, title TEXT NOT NULL, price REAL, note TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, placed TEXT, state TEXT);
CREATE TABLE line (orders INTEGER REFERENCES orders, product INTEGER REFERENCES product, n INTEGER, price REAL);
CREATE VIRTUAL TABLE search USING fts5(title, note);
CREATE INDEX line_orders ON line (orders);
CREATE INDEX orders_customer ON orders (customer, placed);

CREATE TRIGGER product_search AFTER INSERT ON product BEGIN
    INSERT INTO search (rowid, title, note) VALUES (new.id, new.title, new.note);
END;

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO customer SELECT i, printf('%s %s', substr('AnnaBertCaraDoraEmilFinn', 1 + (i * 7 % 6) * 4, 4), hex(i * 7919)),
    substr('AachenBremenCottbuDessauErfurt', 1 + (i * 11 % 5) * 6, 6), date('2010-01-01', printf('+%d days', i * 13 % 4000))
    FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
INSERT INTO product SELECT i, printf('%s %s no. %d', substr('smalllargelightheavyround', 1 + i * 3 % 5 * 5, 5),
    substr('chairtablelampsshelfclock', 1 + i % 5 * 5, 5), i), i * 37 % 900 + 0.99,
    replace(hex(zeroblob(i * 17 % 90)), '00', substr('made of oak, pine or steel; ', 1 + i % 9, 12)) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
INSERT INTO orders SELECT i, i * 7919 % 3000 + 1, datetime('2020-01-01', printf('+%d minutes', i * 97)), 'open' FROM n;
INSERT INTO line SELECT o.id, (o.id * 31 + k.k * 101) % 1500 + 1, k.k, 0
    FROM orders o, (SELECT 1 k UNION SELECT 2 UNION SELECT 5) k WHERE (o.id + k.k) % 4 <> 0;
UPDATE line SET price = (SELECT price FROM product WHERE product.id = line.product) * n;
COMMIT;

CREATE VIEW turnover AS
    SELECT c.city, strftime('%Y-%m', o.placed) AS month, sum(l.price) AS total, count(DISTINCT o.id) AS n
    FROM orders o JOIN customer c ON c.id = o.customer JOIN line l ON l.orders = o.id GROUP BY 1, 2;
SELECT city, total(total), max(month) FROM turnover GROUP BY city ORDER BY 2 DESC;
SELECT month, group_concat(city || '=' || round(total), ', ') FROM (SELECT * FROM turnover ORDER BY month, city) GROUP BY month;
SELECT rowid, title, snippet(search, 1, '[', ']', '…', 6) FROM search WHERE search MATCH 'oak AND (lamps OR clock)' ORDER BY rank;
SELECT title, highlight(search, 0, '<', '>') FROM search WHERE search MATCH 'heav* NOT table' ORDER BY rank LIMIT 200;
SELECT json_group_array(json_object('id', o.id, 'name', c.name, 'lines',
    (SELECT json_group_array(json_object('product', p.title, 'n', l.n, 'price', l.price))
     FROM line l JOIN product p ON p.id = l.product WHERE l.orders = o.id)))
    FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.city, o.id % 40;
SELECT name, placed, rank() OVER (PARTITION BY city ORDER BY total DESC) AS place, total FROM
    (SELECT c.name, c.city, max(o.placed) AS placed, sum(l.price) AS total FROM customer c
     JOIN orders o ON o.customer = c.id JOIN line l ON l.orders = o.id GROUP BY c.id) ORDER BY city, place LIMIT 3000;

BEGIN;
UPDATE orders SET state = CASE id % 5 WHEN 0 THEN 'sent' WHEN 1 THEN 'paid' WHEN 2 THEN 'returned' ELSE state END;
DELETE FROM line WHERE orders IN (SELECT id FROM orders WHERE state = 'returned');
DELETE FROM orders WHERE state = 'returned';
UPDATE product SET note = upper(note) || ' (' || (SELECT count(*) FROM line WHERE product = product.id) || ')';
INSERT INTO search (search) VALUES ('rebuild');
COMMIT;
REINDEX;
ANALYZE;
VACUUM;
SELECT t.name, count(*) FROM pragma_table_list t JOIN pragma_table_info(t.name) c GROUP BY t.name;
PRAGMA integrity_check;
