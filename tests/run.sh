#!/bin/sh
# Builds Holdfast and runs every test: first the release build with all of it, then the core (formats,
# engine, catalog, store, replay of the fuzz corpora) under AddressSanitizer and UndefinedBehaviourSanitizer. Works in a clean clone, as root or not.
#   tests/run.sh             everything (what CI runs)
#   tests/run.sh --quick     the release build without the tests that start servers
#   tests/run.sh --no-asan   the release build only
#   tests/run.sh --packages  also the packages in a clean root (needs root and the package archive; minutes)
# Servers that tests start listen on 127.0.0.1 on free ports and are stopped by the test.
# Ends with ctest's own summaries; the status is 0 only when every test of every build passed.
set -eu
cd "$(dirname "$0")/.."

asan=yes
select="-LE packages"
packages=""
for option in "$@"; do
  case "$option" in
    --quick) asan=no; select="-LE server|packages" ;;
    --no-asan) asan=no ;;
    --packages) select="" packages=yes ;;
    *) echo "usage: tests/run.sh [--quick] [--no-asan] [--packages]" >&2; exit 2 ;;
  esac
done

scripts/install_deps.sh --test
[ -z "$packages" ] || scripts/install_deps.sh --package
# Clones in other directories share what the compiler cache holds.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
jobs=$(nproc)
summaries=$(mktemp)
trap 'rm -f "$summaries"' EXIT
status=0

# build_and_test PRESET [ctest options]: a failed build ends the script, a failed test is remembered.
build_and_test() {
  preset=$1
  shift
  output=$(mktemp)
  echo "== $preset: build"
  cmake --preset "$preset" "$core_only" >"$output" 2>&1 || { cat "$output"; exit 1; }
  cmake --build "build/$preset" --parallel "$jobs" --target "$target"
  echo "== $preset: test"
  # One more than cores: many tests wait. No pipe: its status would be that of the last command. What waits for real servers gets a
  # second try; ctest shows both.
  ctest --repeat until-pass:2 --test-dir "build/$preset" --parallel $((jobs + 1)) --output-on-failure --no-tests=error "$@" \
    >"$output" 2>&1 || status=1
  cat "$output"
  { echo "$preset:"; sed -n '/tests passed/,$p' "$output"; } >>"$summaries"
  rm -f "$output"
}

# shellcheck disable=SC2086 -- $select is one option or none
core_only=-DHOLDFAST_CORE_TESTS=OFF target=all
build_and_test release $select
if [ "$asan" = yes ]; then
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  core_only=-DHOLDFAST_CORE_TESTS=ON target=core_tests
  build_and_test asan
fi

echo "== summary"
cat "$summaries"
exit $status
