#!/bin/sh
# Which lines of what keeps and brings back backups no test runs: objects, packs, manifests, catalog, collection,
# retention and the restore paths. Needs gcovr; builds and runs everything that does without gRPC, some minutes.
#   scripts/coverage.sh            a table, and per file the lines that were not run
#   scripts/coverage.sh --again    only the table, from the last run
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "error: gcovr is not installed (package gcovr)" >&2; exit 12; }
build=build/coverage
if [ "${1:-}" != --again ]; then
  export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
  cmake --preset coverage >/dev/null
  cmake --build $build --parallel "$(nproc)"
  find $build -name '*.gcda' -delete
  # The models need few schedules to run every line.
  HOLDFAST_GC_SCHEDULES=400 HOLDFAST_DISK_SEEDS=100 \
    ctest --test-dir $build --parallel "$(($(nproc) + 1))" --output-on-failure -LE packages
fi
gcovr --root . --object-directory $build --exclude-unreachable-branches --exclude-throw-branches \
  --filter 'common/(crypto|format|snapshot)/' --filter 'controller/(catalog|retention|store|scrub|rebuild)/' \
  --filter 'agent/restore/' -j "$(nproc)"
