# shellcheck shell=bash
# The quickstart's PostgreSQL and Redis, and how its processes are started and stopped.
# Everything listens on 127.0.0.1 and keeps its data below $work.
# shellcheck disable=SC2154  # work and the ports are quickstart.sh's

free_ports() {  # free_ports COUNT: different from each other, because all are held at once
  python3 -c '
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in sockets: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))' "$1"
}

wait_until() {  # wait_until SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      echo "waited in vain for: $*" >&2
      return 1
    fi
    sleep 0.1
  done
}

# In a session of its own: Ctrl-C reaches the quickstart, which then stops things in order.
start_daemon() {  # start_daemon NAME COMMAND...
  local name=$1 pid
  shift
  setsid "$@" </dev/null >>"$work/log/$name.log" 2>&1 4>&- &
  pid=$!
  disown "$pid"
  # With the start time from /proc, so that a number used again is not mistaken for ours.
  echo "$pid $(awk '{print $22}' "/proc/$pid/stat")" >"$work/run/$name.pid"
}

write_stop_script() {
  cat >"$work/stop.sh" <<STOP
#!/bin/bash
# Stops what the quickstart started in this directory, agent first; --remove deletes it as well.
work=\$(cd "\$(dirname "\$0")" && pwd)
for name in agent controller redis; do
  read -r pid started 2>/dev/null <"\$work/run/\$name.pid" || continue
  same() { [ "\$(awk '{print \$22}' "/proc/\$pid/stat" 2>/dev/null)" = "\$started" ]; }
  same && kill "\$pid"
  for ((i = 0; i < 300; ++i)); do same || break; sleep 0.1; done
  same && kill -KILL "\$pid"
  rm -f "\$work/run/\$name.pid"
done
if [ -e "\$work/postgres/data/postmaster.pid" ]; then
  (cd / && $postgres_user "$postgres_bin/pg_ctl" -D "\$work/postgres/data" -m fast -w stop) >/dev/null
fi
if [ "\${1:-}" = --remove ]; then
  for each in "\$work"/*; do rm -rf "\$each" & done  # side by side: unlinking waits for the disk
  wait
  rm -rf "\$work"
fi
STOP
  chmod 755 "$work/stop.sh"
}

# PostgreSQL refuses to run as root.
choose_postgres() {
  postgres_bin=$(find /usr/lib/postgresql -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
  postgres_user=""
  if [ "$(id -u)" -eq 0 ]; then
    postgres_user="runuser -u postgres --"
    $postgres_user test -x "$work" || {
      echo "error: the user postgres may not enter '$work'; name another place with --dir" >&2
      return 1
    }
  fi
}

as_postgres() { (cd / && $postgres_user "$@" 4>&-); }

start_postgres() {
  local password
  password=$(openssl rand -hex 16)
  mkdir "$work/postgres"
  (umask 077 && echo "$password" >"$work/secret/postgres.password" &&
    cp "$work/secret/postgres.password" "$work/postgres/password" &&
    echo "127.0.0.1:$postgres_port:*:postgres:$password" >"$work/secret/pgpass")
  [ "$(id -u)" -ne 0 ] || chown -R postgres: "$work/postgres"
  as_postgres "$postgres_bin/initdb" -D "$work/postgres/data" -U postgres -A scram-sha-256 \
    --pwfile="$work/postgres/password" -E UTF8 --locale=C.UTF-8 --no-sync
  rm "$work/postgres/password"
  as_postgres "$postgres_bin/pg_ctl" -D "$work/postgres/data" -l "$work/postgres/server.log" -w start \
    -o "-h 127.0.0.1 -p $postgres_port -k '' -c shared_buffers=256MB -c max_wal_size=4GB \
        -c fsync=off -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0"
}

start_redis() {
  mkdir "$work/redis"
  (umask 077 && openssl rand -hex 16 >"$work/secret/redis.password" &&
    cat >"$work/redis/redis.conf") <<CONF
bind 127.0.0.1
port $redis_port
dir $work/redis
save ""
enable-debug-command local
repl-diskless-sync-delay 0
CONF
  echo "requirepass $(cat "$work/secret/redis.password")" >>"$work/redis/redis.conf"
  start_daemon redis redis-server "$work/redis/redis.conf"
  REDISCLI_AUTH=$(cat "$work/secret/redis.password")
  export REDISCLI_AUTH
  wait_until 20 redis ping
}

sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }  # server and password: $PGHOST, $PGPORT, $PGPASSFILE
redis() { redis-cli -e -h 127.0.0.1 -p "$redis_port" "$@"; }
