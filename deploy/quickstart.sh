#!/bin/bash
# One command on Debian 12: builds Holdfast, gives it a point-of-sale system to protect (PostgreSQL,
# Redis, uploads, configuration), backs all up twice, destroys all, restores all and compares with
# tools that are not Holdfast. Ends with "quickstart: everything came back" and status 0 only when so.
#   deploy/quickstart.sh             everything, in a temporary directory that is removed at the end
#   deploy/quickstart.sh --keep      leaves it running and says what to try next
#   deploy/quickstart.sh --no-build  takes the binaries of build/release/bin, or of $HOLDFAST_BIN
#   deploy/quickstart.sh --dir DIR   works in DIR, which must be new or empty
# Works as root and as an ordinary user; only installing packages needs root or sudo.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
here=$root/deploy/quickstart
sources=(db cache uploads config)
work="" step_name="" different=no keep=no build=yes directory=""
# shellcheck source=deploy/quickstart/servers.sh
. "$here/servers.sh"
# shellcheck source=deploy/quickstart/compare.sh
. "$here/compare.sh"

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

parse_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --keep) keep=yes ;;
      --no-build) build=no ;;
      --dir) [ $# -gt 1 ] || usage; directory=$2; shift ;;
      *) usage ;;
    esac
    shift
  done
}

# step TEXT COMMAND...: one line with its seconds; what the command prints goes to the log.
step() {
  local begin=$EPOCHREALTIME
  step_name=$1
  shift
  printf '  %-66s' "$step_name"
  printf '== %s\n' "$step_name" >>"$work/log/steps.log"
  "$@" </dev/null >>"$work/log/steps.log" 2>&1
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf " %5.1f s\n", b - a }'
  step_name=""
}

show_logs() {
  local log
  for log in "$work"/postgres/server.log "$work"/log/*.log; do
    [ -s "$log" ] || continue
    printf '\n--- end of %s\n' "${log##*/}"
    tail -n 12 "$log" | cut -c1-400
  done
}

at_exit() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP  # cleaning up is not interrupted
  jobs -p | xargs -r kill 2>/dev/null || true
  if [ -n "$step_name" ]; then
    exec >&4 2>&4  # a signal finds the output redirected to the log
    case $status in
      130 | 143) printf '\nquickstart: interrupted at: %s; stopping\n' "$step_name" ;;
      *) printf '\nquickstart: failed at: %s\n' "$step_name"; show_logs ;;
    esac
  fi
  if [ -x "$work/stop.sh" ] && ! { [ $keep = yes ] && [ $status -eq 0 ]; }; then
    "$work/stop.sh" --remove || true
  elif [ -n "$work" ] && [ $status -ne 0 ]; then
    rm -rf "$work"
  fi
  exit $status
}

make_directory() {
  if [ -n "$directory" ]; then
    mkdir -p "$directory"
    directory=$(cd "$directory" && pwd)
    if [ -n "$(ls -A "$directory")" ]; then
      echo "error: '$directory' is not empty; name a new directory with --dir" >&2
      exit 2
    fi
  else
    directory=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-quickstart.XXXXXX")
  fi
  if [ ${#directory} -gt 90 ] || [[ $directory =~ [^A-Za-z0-9/._-] ]]; then
    echo "error: '$directory' does not do: at most 90 letters, digits and /._- (socket, YAML)" >&2
    exit 2
  fi
  if [ "$(df -Pk "$directory" | awk 'NR == 2 {print $4}')" -lt $((3 << 20)) ]; then
    echo "error: '$directory' has less than 3 GiB free; name another place with --dir" >&2
    exit 11
  fi
  work=$directory
  chmod 755 "$work"  # PostgreSQL's own user passes through
  mkdir "$work"/{log,run,app,facts,events}
  mkdir -m 700 "$work"/{secret,home}
}

install_packages() {
  if [ $build = no ] && command -v psql redis-server python3 openssl &&
    ls /usr/lib/postgresql/*/bin/initdb; then
    return
  fi
  "$root/scripts/install_deps.sh" --servers
}

build_holdfast() {
  (cd "$root" && cmake --preset release &&
    cmake --build build/release --parallel "$(nproc)" \
      --target holdfast holdfast-agent holdfast-controller)
}

# What both this script and a person afterwards need to talk to everything.
write_environment() {
  read -r postgres_port redis_port controller_port enrollment_port < <(free_ports 4)
  cat >"$work/environment" <<ENV
export PATH="$HOLDFAST_BIN:\$PATH"
export HOLDFAST_HOME="$work/home" HOLDFAST_SOCKET="$work/controller.sock"
export HOLDFAST_PASSPHRASE_FILE="$work/secret/passphrase"
export PGHOST=127.0.0.1 PGPORT=$postgres_port PGUSER=postgres PGPASSFILE="$work/secret/pgpass"
export REDISCLI_AUTH="\$(cat "$work/secret/redis.password" 2>/dev/null)"
ENV
  # shellcheck disable=SC1091
  . "$work/environment"
}

make_configuration() {
  mkdir -p "$work/app/config/ssl"
  cp "$here"/app/* "$work/app/config/"
  (umask 077 && sed "s/@SECRET@/$(openssl rand -hex 24)/" "$here/app/env.sample" >"$work/app/config/.env")
  rm "$work/app/config/env.sample"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
    -subj /CN=pos.example.com -keyout "$work/app/config/ssl/pos.key" -out "$work/app/config/ssl/pos.crt"
}

# Side by side, since PostgreSQL takes longest.
make_stores() {
  choose_postgres
  write_environment
  write_stop_script
  python3 "$here/make_files.py" make "$work/app/uploads" &
  local files=$! keys
  start_redis
  make_redis_keys &
  keys=$!
  make_configuration
  start_postgres
  sql -d postgres -c 'CREATE DATABASE pos'
  sql -d pos -1 -f "$here/sample.sql"
  wait "$keys"
  wait "$files"
}

make_redis_keys() { python3 "$here/make_redis.py" make | redis --pipe; }

change_data() {
  sql -d pos -f "$here/change.sql"
  python3 "$here/make_redis.py" change | redis --pipe
  python3 "$here/make_files.py" change "$work/app/uploads"
  echo "FEATURE_RESERVATIONS=on" >>"$work/app/config/.env"
}

start_holdfast() {
  cat >"$work/controller.yaml" <<YAML
data_directory: $work/controller
listen: 127.0.0.1:$controller_port
listen_enrollment: 127.0.0.1:$enrollment_port
socket: $work/controller.sock
YAML
  cat >"$work/agent.yaml" <<YAML
data_directory: $work/agent
restore_roots: [$work/app]
sources:
  - {name: db, kind: postgres, host: 127.0.0.1, port: $postgres_port, database: pos, user: postgres,
     password_file: $work/secret/postgres.password}
  - {name: cache, kind: redis, port: $redis_port, password_file: $work/secret/redis.password}
  - {name: uploads, kind: files, root: $work/app/uploads}
  - {name: config, kind: files, root: $work/app/config}
YAML
  (umask 077 && openssl rand -base64 24 >"$work/secret/passphrase")
  start_daemon controller holdfast-controller --config "$work/controller.yaml"
  wait_until 30 test -S "$work/controller.sock"
  holdfast init --recovery-confirmed --kit "$work/secret/recovery-kit.txt"
  holdfast enroll quickstart --output "$work/secret/join.token"
  holdfast-agent --config "$work/agent.yaml" enroll --token-file "$work/secret/join.token"
  start_daemon agent holdfast-agent --config "$work/agent.yaml"
  wait_until 30 agent_is_connected
}

agent_is_connected() { holdfast agent list | grep -q connected; }

backup() { holdfast --json backup >"$work/events/backup-$1"; }

# Second names, not second bytes: destroy takes the first names away, and restore makes new files.
keep_originals() { cp -al "$work/app" "$work/kept"; }

destroy() {
  sql -d postgres -c 'DROP DATABASE pos WITH (FORCE)' -c 'DROP ROLE pos_app, pos_report'
  redis FLUSHALL
  redis FUNCTION FLUSH
  rm -rf "$work/app"
  mkdir "$work/app"
}

restore() {
  case "$1" in
    db) set -- "$1" --database pos ;;
    cache) set -- "$1" --into-server ;;
    *) set -- "$1" --target "$work/app/$1" ;;
  esac
  holdfast --json restore "$@" >"$work/events/restore-$1"
}

recover() {
  holdfast-agent recover --store "$work/bare/copy" --kit "$work/secret/recovery-kit.txt" "$@"
}

recover_from_copy() {  # as on a bare machine: a copy of the controller's files, and the kit
  mkdir "$work/bare"
  cp -a "$work/controller" "$work/bare/copy"
  rm -rf "$work/bare/copy/catalog"  # only a cache of the store
  recover --list
  recover --source uploads --target "$work/bare/uploads"
}

say_what_next() {
  cat <<NEXT

It keeps running in $work. To try it, first:
  . $work/environment
  holdfast status
  holdfast snapshots
  holdfast ls uploads photos/2025-06
  holdfast diff uploads@1 uploads@2
  holdfast cat config .env
  holdfast restore uploads@1 --target $work/app/yesterday --path exports
  holdfast restore db@1 --database pos_yesterday && psql -d pos_yesterday -c '\dt pos.*'
  holdfast export --output $work/everything.tar
PostgreSQL: psql -d pos    Redis: redis-cli -p $redis_port    Logs: $work/log
To stop all and remove the directory:
  $work/stop.sh --remove
NEXT
}

protect_destroy_restore() {
  step "start PostgreSQL, Redis; 700,000 rows, 60,000 keys, 2,200 uploads" make_stores
  step "start controller and agent, make the keys, enrol" start_holdfast
  step "first backup of all four sources" backup 1
  step "a day of work: rows, keys and files change" change_data
  step "second backup" backup 2
  step "note what is there" note_facts before
  keep_originals
  step "destroy database, roles, Redis, uploads and configuration" destroy
  local source
  for source in "${sources[@]}"; do step "restore $source" restore "$source"; done
  step "note what is there now" note_facts after
  step "recover the uploads from a copy of the store and the kit" recover_from_copy
}

main() {
  parse_options "$@"
  if [ -n "${HOLDFAST_BIN:-}" ]; then build=no; fi
  HOLDFAST_BIN=${HOLDFAST_BIN:-$root/build/release/bin}
  exec 4>&2
  trap at_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  make_directory
  echo "quickstart: working in $work"
  step "install what is missing" install_packages
  [ $build = no ] || step "build Holdfast (minutes the first time)" build_holdfast
  local begin=$SECONDS
  protect_destroy_restore
  echo
  python3 "$here/report.py" "$work/events"
  echo
  compare_all
  if [ "$different" = yes ]; then
    echo "quickstart: not everything came back" >&2
    exit 1
  fi
  [ $keep = no ] || say_what_next
  echo "quickstart: $((SECONDS - begin)) s without the build"
  echo "quickstart: everything came back"
}

main "$@"
