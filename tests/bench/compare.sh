#!/bin/sh
# Measures Holdfast and its peers alternately on the same data and prints one table.
# Installs by apt what is missing, starts no service. Needs a release build. See docs/PERFORMANCE.md.
#   tests/bench/compare.sh                     every data set, five pairs
#   tests/bench/compare.sh --quick             a twentieth of the size, one pair
#   tests/bench/compare.sh --only tree,redis --pairs 7 --json result.json
set -eu
cd "$(dirname "$0")/../.."

missing=""
for package in restic borgbackup pgbackrest postgresql-15 redis-server redis-tools zstd tar time \
    openssl findutils python3; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "installing:$missing" >&2
  [ "$(id -u)" -eq 0 ] || { echo "error: installing packages needs root" >&2; exit 12; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends $missing >&2
fi

export HOLDFAST_BIN="${HOLDFAST_BIN:-$PWD/build/release/bin}"
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 tests/bench/compare.py "$@"
