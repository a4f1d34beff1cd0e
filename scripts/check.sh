#!/bin/sh
# Everything that can be said about the sources without running them: format, style, layers, and
# clang-tidy on what changed. --sizes also lists the files above the soft limit of 400 lines.
set -eu
cd "$(dirname "$0")/.."
status=0

case "${1:-}" in
  --sizes) find agent common controller -name '*.cpp' -exec wc -l {} + | awk '$1 > 400 && $2 != "total"' ;;
  "") ;;
  *) echo "usage: scripts/check.sh [--sizes]" >&2; exit 2 ;;
esac

echo "== format"
scripts/format.sh --check || status=1
echo "== style"
python3 scripts/tidy.py || status=1
echo "== layers"
python3 scripts/check_layers.py || status=1
echo "== fault model"
python3 tests/architecture/fault_model_test.py || status=1

# Changed: in the work tree or index, or else in the last commit.
changed=$( (git diff --name-only HEAD -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp') | sort -u)
[ -n "$changed" ] || changed=$(git diff --name-only HEAD~ -- '*.cpp' 2>/dev/null || true)
if command -v clang-tidy-14 >/dev/null && [ -n "$changed" ]; then
  echo "== clang-tidy"
  # A database of its own: clang reads neither gcc's precompiled headers nor many files as one.
  database=build/tidy
  cmake -S . -B "$database" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
    -DHOLDFAST_UNITY=OFF -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null
  # shellcheck disable=SC2046
  ninja -C "$database" $(ninja -C "$database" -t targets all | sed -n 's/^\(.*\.pb\.h\): .*/\1/p') >/dev/null
  for file in $changed; do
    # The fuzz targets are compiled by their own preset only.
    case "$file" in tests/fuzz/*) continue ;; esac
    [ -f "$file" ] || continue
    clang-tidy-14 --quiet -p "$database" "$file" 2>/dev/null || status=1
  done
fi
exit $status
