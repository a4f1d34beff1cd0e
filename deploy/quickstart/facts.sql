-- What is in the database, by the server's own hash functions: per table the number of rows and a
-- checksum that does not depend on their order; sequences; large objects.
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' '
SELECT format('SELECT ''rows'', %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM %s AS t',
              c.oid::regclass, c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname
\gexec
SELECT format('SELECT ''sequence'', %L, last_value, is_called FROM %s', c.oid::regclass, c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' ORDER BY n.nspname, c.relname
\gexec
SELECT 'large-object', oid, sha256(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
