#!/bin/sh
# The one list of Debian 12 packages that Holdfast needs. Installs by apt what is missing, and does
# nothing (no root, no network) when nothing is.
#   scripts/install_deps.sh           to build
#   scripts/install_deps.sh --servers to build and to run deploy/quickstart.sh
#   scripts/install_deps.sh --test    to build and to run every test
#   scripts/install_deps.sh --package to build, to make Debian packages and to try them
#   scripts/install_deps.sh --list …  only prints the packages
set -eu

build="g++ cmake ninja-build pkg-config git python3 ca-certificates
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev
  libfmt-dev libspdlog-dev libssl-dev openssl libsqlite3-dev libpq-dev libpqxx-dev libhiredis-dev
  libarchive-dev libcurl4-openssl-dev libpugixml-dev libdeflate-dev libzstd-dev libxxhash-dev libacl1-dev libattr1-dev
  nlohmann-json3-dev libcli11-dev libyaml-cpp-dev libcpp-httplib-dev prometheus-cpp-dev libgtest-dev libgmock-dev
  tzdata"
# ccache and mold only save time; the servers are what sources are tested against.
servers="postgresql-15 redis-server"
test="ccache mold gcovr $servers acl attr clang-14 clang-format-14 systemd prometheus
  python3-aiosmtpd radosgw ceph-mon ceph-osd"
package="dpkg-dev debhelper lintian debootstrap"

wanted=$build
list=no
for option in "$@"; do
  case "$option" in
    --servers) wanted="$build $servers" ;;
    --test) wanted="$build $test" ;;
    --package) wanted="$build $package" ;;
    --list) list=yes ;;
    *) echo "usage: scripts/install_deps.sh [--servers|--test|--package] [--list]" >&2; exit 2 ;;
  esac
done
if [ "$list" = yes ]; then
  printf '%s\n' $wanted
  exit 0
fi

missing=""
for package in $wanted; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing" >&2
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: installing packages needs root or sudo" >&2; exit 12; }
  as_root="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# No service is started: the tests start servers of their own, on free ports.
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
  apt-get install -y -qq --no-install-recommends $missing >&2
