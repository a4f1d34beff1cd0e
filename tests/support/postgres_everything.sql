-- Every kind of object a logical backup can lose. Loaded into an empty database as a superuser.
CREATE ROLE app_owner LOGIN PASSWORD 'owner-password' CONNECTION LIMIT 7;
CREATE ROLE app_reader NOLOGIN;
CREATE ROLE app_tenant LOGIN IN ROLE app_reader;
ALTER ROLE app_tenant SET work_mem = '5MB';
COMMENT ON ROLE app_reader IS 'may read';

CREATE SCHEMA app AUTHORIZATION app_owner;
CREATE SCHEMA "we ird.sch""ema";
COMMENT ON SCHEMA app IS 'the application';
CREATE EXTENSION citext SCHEMA app;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
SET search_path = app, public;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
CREATE TYPE address AS (street text, zip varchar(10));
CREATE DOMAIN positive AS integer DEFAULT 1 CHECK (VALUE > 0);
CREATE COLLATION german (provider = icu, locale = 'de-u-kn-true');
CREATE TYPE float_range AS RANGE (subtype = float8);

CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code serial,
  email citext NOT NULL UNIQUE,
  name text COLLATE german,
  mood mood DEFAULT 'ok',
  home address,
  points positive,
  tags hstore,
  token uuid DEFAULT uuid_generate_v4(),
  payload bytea,
  amount numeric(20, 6),
  ratio double precision,
  seen timestamptz,
  spent interval,
  doc jsonb,
  list text[][],
  valid float_range,
  initials text GENERATED ALWAYS AS (left(email::text, 2)) STORED,
  dropped_later int);
ALTER TABLE customers DROP COLUMN dropped_later;
ALTER TABLE customers ADD COLUMN later text DEFAULT E'tab\there\nline \\ back';
INSERT INTO customers (email, name, mood, home, points, tags, payload, amount, ratio, seen, spent, doc, list, valid)
  SELECT 'user' || i || '@example.org', CASE WHEN i % 7 = 0 THEN NULL ELSE 'Näme ' || i || E'\n\\.\t' END,
    (ARRAY['sad', 'meh', 'ok', 'happy'])[1 + i % 4]::mood, ROW('Street ' || i, i::text)::address, i + 1,
    hstore('k' || i, NULL), decode(md5(i::text), 'hex'), i * 1.000001, 1.0 / (i + 1),
    '2020-01-01 00:00:00+00'::timestamptz + i * interval '1 hour', i * interval '1 day 2 hours',
    jsonb_build_object('i', i, 'quote', '"'), ARRAY[['a', NULL], ['', 'NULL']], float_range(i, i + 1.5)
  FROM generate_series(0, 1999) i;
CREATE INDEX customers_trgm ON customers USING gin (name gin_trgm_ops);
CREATE INDEX customers_part ON customers (amount DESC NULLS LAST) INCLUDE (ratio) WHERE points > 5;
CREATE STATISTICS customers_stats (dependencies, mcv) ON mood, points FROM customers;
ALTER TABLE customers ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON COLUMN customers.email IS 'it''s the login';

CREATE TABLE hen (id int PRIMARY KEY, egg_id int);
CREATE TABLE egg (id int PRIMARY KEY, hen_id int REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hen ADD FOREIGN KEY (egg_id) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO hen VALUES (1, 1), (2, 1); INSERT INTO egg VALUES (1, 2); COMMIT;

CREATE TABLE measures (at date NOT NULL, value int) PARTITION BY RANGE (at);
CREATE TABLE measures_2023 PARTITION OF measures FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (value);
CREATE TABLE measures_2024_few PARTITION OF measures_2024 FOR VALUES IN (1, 2, 3);
CREATE TABLE measures_2024_rest PARTITION OF measures_2024 DEFAULT;
INSERT INTO measures SELECT '2023-06-01'::date + i, i % 9 FROM generate_series(0, 400) i;
CREATE TABLE by_mood (mood mood NOT NULL, n int NOT NULL, note text) PARTITION BY HASH (mood);
CREATE TABLE by_mood_0 PARTITION OF by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_mood_1 (note text, n int NOT NULL, mood mood NOT NULL);
ALTER TABLE by_mood ATTACH PARTITION by_mood_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_mood_2 PARTITION OF by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY HASH (n);
CREATE TABLE by_mood_2_0 PARTITION OF by_mood_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_mood_2_1 PARTITION OF by_mood_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO by_mood SELECT (ARRAY['sad', 'meh', 'ok', 'happy'])[1 + i % 4]::mood, i, 'note ' || i FROM generate_series(1, 300) i;

CREATE TABLE parent_table (id int, kind text);
CREATE TABLE child_table (extra text) INHERITS (parent_table);
INSERT INTO parent_table VALUES (1, 'parent'), (1, 'parent');
INSERT INTO child_table VALUES (2, 'child', 'x');
CREATE UNLOGGED TABLE scratch (v int);
INSERT INTO scratch SELECT generate_series(1, 50);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (42) STORED);
INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE empty_table (a int);

CREATE TABLE "we ird.sch""ema"."Tab.le/with %~ ""quotes"" 'and' ünïcödé" ("Sel ect" int, "co""l,umn" text, "$dollar$" text);
INSERT INTO "we ird.sch""ema"."Tab.le/with %~ ""quotes"" 'and' ünïcödé" VALUES (1, 'x', '$$');
CREATE TABLE "we ird.sch""ema"."line
break" (v text DEFAULT E'a
--
-- Name: fake; Type: TABLE; Schema: public; Owner: nobody
--
');
INSERT INTO "we ird.sch""ema"."line
break" VALUES (DEFAULT);
CREATE TABLE "a...............................................................b" (v int);
CREATE TABLE ".............................................................ab" (v int);
INSERT INTO ".............................................................ab" VALUES (7);

CREATE VIEW happy_customers WITH (security_barrier) AS SELECT id, email FROM customers WHERE mood = 'happy' AND name <> E'\\';
CREATE MATERIALIZED VIEW mood_counts AS SELECT mood, count(*) AS n FROM customers GROUP BY mood;
CREATE UNIQUE INDEX ON mood_counts (mood);
CREATE MATERIALIZED VIEW nested_counts AS SELECT sum(n) AS total FROM mood_counts;
CREATE MATERIALIZED VIEW not_populated AS SELECT 1 AS one WITH NO DATA;

CREATE FUNCTION tricky() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
--
-- Name: not_an_item; Type: EVENT TRIGGER; Schema: -; Owner: -
--
  RETURN 'a;b' || $q$;'$q$;
END $body$;
CREATE FUNCTION add_one(i int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT i + 1; END;
CREATE PROCEDURE do_nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE product(double precision) (SFUNC = float8mul, STYPE = double precision, INITCOND = '1');
CREATE FUNCTION near(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 2';
CREATE OPERATOR ~~~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = near, COMMUTATOR = ~~~~);
CREATE CAST (mood AS int) WITH FUNCTION hashenum(anyenum);
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.later = 'touched'; RETURN NEW; END $$;
CREATE TRIGGER customers_touch BEFORE INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE customers ENABLE ALWAYS TRIGGER customers_touch;
CREATE RULE no_delete AS ON DELETE TO egg DO INSTEAD NOTHING;

CREATE TABLE secrets (tenant text, secret text);
INSERT INTO secrets VALUES ('a', 'one'), ('b', 'two');
ALTER TABLE secrets OWNER TO app_owner;
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON secrets TO app_tenant USING (tenant = current_user) WITH CHECK (true);

CREATE TABLE event_log (tag text);
CREATE FUNCTION log_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.event_log VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER log_ddl ON ddl_command_start EXECUTE FUNCTION log_event();
ALTER EVENT TRIGGER log_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER log_ddl IS 'logs';
CREATE TABLE z_logged (a int);
CREATE PUBLICATION some_tables FOR TABLE customers (id, email), hen;
CREATE PUBLICATION all_tables FOR ALL TABLES;
CREATE SUBSCRIPTION elsewhere CONNECTION 'host=127.0.0.1 port=1 password=hidden' PUBLICATION p WITH (connect = false, slot_name = 'elsewhere_slot');

CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1');
CREATE USER MAPPING FOR app_owner SERVER other OPTIONS (user 'u', password 'hidden');
CREATE FOREIGN TABLE far (a int) SERVER other OPTIONS (table_name 'far');

CREATE SEQUENCE counter START 100 INCREMENT 5 CYCLE MAXVALUE 1000;
SELECT nextval('counter'), nextval('counter');
CREATE SEQUENCE never_called START 33;
SELECT lo_from_bytea(50000 + i, decode(repeat(md5(i::text), i * 200), 'hex')) FROM generate_series(0, 19) i;
SELECT lo_from_bytea(60000, decode(repeat('00ff', 600000), 'hex'));
ALTER LARGE OBJECT 50001 OWNER TO app_owner;
GRANT SELECT ON LARGE OBJECT 50001 TO app_reader;
COMMENT ON LARGE OBJECT 50001 IS 'big';

GRANT USAGE ON SCHEMA app TO app_reader;
GRANT SELECT ON customers TO app_reader WITH GRANT OPTION;
GRANT UPDATE (name) ON customers TO app_tenant;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA app GRANT SELECT ON TABLES TO app_reader;
ALTER TABLE customers OWNER TO app_owner;
REFRESH MATERIALIZED VIEW mood_counts;
TRUNCATE event_log;

DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = app, "we ird.sch""ema"', current_database());
  EXECUTE format('ALTER DATABASE %I SET app.tenant = ''x''''y''', current_database());
  EXECUTE format('ALTER ROLE app_tenant IN DATABASE %I SET statement_timeout = ''9s''', current_database());
  EXECUTE format('COMMENT ON DATABASE %I IS ''everything''', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO app_reader', current_database());
  EXECUTE format('ALTER DATABASE %I OWNER TO app_owner', current_database());
  EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 50', current_database());
END $$;
TRUNCATE event_log;
