# shellcheck shell=bash
# What is there before and after, and whether it is the same: by psql, pg_dump, redis-cli and a tree
# comparison, so that no word of Holdfast has to be believed.
# shellcheck disable=SC2154,SC2034  # root, here and work are quickstart.sh's; different is its answer

note_facts() {  # note_facts NAME: what is there now, in the servers' own words
  local facts=$work/facts/$1
  mkdir "$facts"
  sql -d pos -f "$here/facts.sql" >"$facts/rows" &
  local rows=$!
  pg_dump -s pos | grep -Ev '^\\(un)?restrict ' >"$facts/schema"
  pg_dumpall --roles-only | grep -Ev '^\\(un)?restrict ' >"$facts/roles"
  {
    redis DEBUG DIGEST
    redis INFO keyspace | grep -o '^db[0-9]*:keys=[0-9]*,expires=[0-9]*'
    redis FUNCTION DUMP | sha256sum
    # When keys expire, to the millisecond: the digest knows only whether.
    for db in 0 5; do redis -n "$db" --no-raw EVAL "$(cat "$here/expiries.lua")" 0; done
  } >"$facts/redis"
  wait "$rows"
}

compare_trees() { "$root/tests/support/compare_trees.py" "$1" "$2"; }

check() {  # check WHAT COMMAND...: tells the outcome; every comparison is made, also after a failure
  local what=$1
  shift
  if "$@" >"$work/facts/difference" 2>&1; then
    printf '  same: %s\n' "$what"
  else
    different=yes
    printf '  DIFFERENT: %s\n' "$what"
    head -n 20 "$work/facts/difference"
  fi
}

compare_all() {
  local before=$work/facts/before after=$work/facts/after rows tables kept=$work/kept
  different=no
  read -r tables rows < <(awk '$1 == "rows" {n += $3; ++t} END {print t, n}' "$before/rows")
  check "$rows rows in $tables tables by the server's checksums; sequences, large objects" \
    diff "$before/rows" "$after/rows"
  check "schema by pg_dump -s, $(wc -l <"$before/schema") lines" diff "$before/schema" "$after/schema"
  check "roles by pg_dumpall" diff "$before/roles" "$after/roles"
  check "Redis by DEBUG DIGEST: $(grep -c . "$before/redis") facts, expiry times and functions too" \
    diff "$before/redis" "$after/redis"
  check "uploads, $(find "$kept/uploads" | wc -l) entries: bytes, rights, owners, times" \
    compare_trees "$kept/uploads" "$work/app/uploads"
  check "configuration and secrets" compare_trees "$kept/config" "$work/app/config"
  check "uploads recovered from a copy of the store with nothing but the recovery kit" \
    compare_trees "$kept/uploads" "$work/bare/uploads"
}
