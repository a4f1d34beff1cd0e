#!/bin/sh
# Formats every C++ file of the project in place; with --check it changes nothing and lists what
# would change.
set -eu
cd "$(dirname "$0")/.."
formatter=${CLANG_FORMAT:-clang-format-14}
files() {
  find agent common controller tests -name '*.h' -print0 -o -name '*.cpp' -print0 -o -name '*.cc' -print0
}
case "${1:-}" in
  --check) files | xargs -0 "$formatter" --dry-run --Werror ;;
  "") files | xargs -0 "$formatter" -i ;;
  *) echo "usage: scripts/format.sh [--check]" >&2; exit 2 ;;
esac
