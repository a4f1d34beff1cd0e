#!/bin/sh
# Builds Holdfast and runs every test: first the release build with all of it, then the core (formats,
# engine, catalog, store, restores, replay of the fuzz corpora) under AddressSanitizer and UndefinedBehaviourSanitizer;
# last, as root, whether a test runs every line of what keeps and brings back backups (scripts/coverage.sh). Works in a
# clean clone, as root or not.
#   tests/run.sh             everything (what CI runs)
#   tests/run.sh --quick     the release build without the tests that start servers
#   tests/run.sh --no-asan   the release build only
#   tests/run.sh --packages  also the packages in a clean root (needs root and the package archive; minutes)
# Servers that tests start listen on 127.0.0.1 on free ports and are stopped by the test.
# Ends with ctest's own summaries; the status is 0 only when every test of every build passed.
set -eu
cd "$(dirname "$0")/.."

asan=yes
measured=yes
# Some lines restore what only root may.
[ "$(id -u)" -eq 0 ] || measured=no
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
logs=$(mktemp -d)
politely=""
asan_build=""
trap '[ -z "$asan_build" ] || kill "$asan_build" 2>/dev/null; rm -rf "$logs"' EXIT
status=0

# build PRESET TARGET CORE_ONLY
build() {
  cmake --preset "$1" -DHOLDFAST_CORE_TESTS="$3" >"$logs/configure-$1" 2>&1 || { cat "$logs/configure-$1"; return 1; }
  $politely cmake --build "build/$1" --parallel "$jobs" --target "$2"
}

# run_tests PRESET [ctest options]: a failed test is remembered.
run_tests() {
  preset=$1
  shift
  echo "== $preset: test"
  # One more than cores: many tests wait. No pipe: its status would be that of the last command. What waits for real servers gets a
  # second try; ctest shows both.
  ctest --repeat until-pass:2 --test-dir "build/$preset" --parallel $((jobs + 1)) --output-on-failure --no-tests=error "$@" \
    >"$logs/test-$preset" 2>&1 || status=1
  cat "$logs/test-$preset"
  { echo "$preset:"; sed -n '/tests passed/,$p' "$logs/test-$preset"; } >>"$logs/summaries"
}

echo "== release: build"
build release all OFF
if [ "$asan" = yes ]; then
  # Beside the tests, which come first and wait for servers much of their time.
  politely="nice -n 19"
  { build asan core_tests ON && if [ "$measured" = yes ]; then $politely scripts/coverage.sh --build; fi; } \
    >"$logs/build-asan" 2>&1 &
  asan_build=$!
fi
# $select is one option or none.
# shellcheck disable=SC2086
run_tests release $select
if [ "$asan" = yes ]; then
  echo "== asan and coverage: build"
  wait "$asan_build" || { cat "$logs/build-asan"; exit 1; }
  asan_build=""
  tail -n 1 "$logs/build-asan"
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  # Not the models with a planted defect: what they prove was proven above.
  run_tests asan -E Mutant
  echo "== coverage"
  if [ "$measured" = no ]; then
    echo "coverage: not measured, because it needs root" | tee -a "$logs/summaries"
  else
    scripts/coverage.sh --gate >"$logs/coverage" 2>&1 || status=1
    cat "$logs/coverage"
    { echo "coverage:"; tail -n 40 "$logs/coverage" | grep -E "lines: |not run|ERROR|error"; } >>"$logs/summaries" || true
  fi
fi

echo "== summary"
cat "$logs/summaries"
exit $status
