-- A day of work on the sample: scattered updates, new orders, deletions, new objects.
SET client_min_messages = warning;
SET jit = off;
SELECT setseed(0.43) \g /dev/null
SET search_path = pos, public;

-- Mostly what is recent, a little of what is old.
UPDATE payments SET settled = true WHERE NOT settled AND id % 2 = 0;
UPDATE payments SET tip = coalesce(tip, 0) + 0.50 WHERE id BETWEEN 490000 AND 495000;
UPDATE payments SET settled = false WHERE id = 12345;
UPDATE menu_items SET price = price + 0.30 WHERE id % 20 = 0;
UPDATE restaurants SET settings = settings || '{"tips": true, "printers": ["bar"]}' WHERE id % 7 = 0;

WITH placed AS (
  INSERT INTO orders (placed_at, restaurant_id, state, lines, seats, total)
  SELECT timestamptz '2026-01-05 09:00+00' + n * interval '8 seconds', 1 + (random() * 39)::int, 'paid',
         jsonb_build_array(jsonb_build_object('item', 1000 + (random() * 2399)::int, 'count', 1)),
         ARRAY[n % 30]::smallint[], round((8 + random() * 140)::numeric, 2)
  FROM generate_series(1, 4000) AS n
  RETURNING id, placed_at, total
)
INSERT INTO payments (order_id, placed_at, method, amount, reference)
SELECT id, placed_at, 'card', total, md5(id::text || '/1')::uuid FROM placed;

DELETE FROM payments WHERE method = 'voucher' AND amount < 0 AND placed_at >= '2025-12-20' AND id % 3 = 0;
DELETE FROM menu_items WHERE id % 400 = 399;
ALTER TABLE menu_items ADD COLUMN channel text DEFAULT 'till';
CREATE TABLE reservations (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, restaurant_id int
  REFERENCES restaurants, during tstzrange NOT NULL, guest jsonb);
INSERT INTO reservations (restaurant_id, during, guest)
SELECT 1 + n % 40, tstzrange(timestamptz '2026-02-01 18:00+00' + n * interval '1 hour',
                             timestamptz '2026-02-01 20:00+00' + n * interval '1 hour'),
       jsonb_build_object('name', 'Guest ' || n, 'people', 1 + n % 9)
FROM generate_series(1, 500) AS n;
REFRESH MATERIALIZED VIEW reporting.monthly_sales;
