#!/bin/sh
# Every line of what keeps and brings back backups (objects, packs, manifests, catalog, collection, retention and the
# restore paths) is run by a test: status 1 and the lines that were not run when that is not so. Needs gcovr, and root
# for what only root may restore; builds and runs what does without gRPC, about four minutes. CI runs it (tests/run.sh).
#   scripts/coverage.sh            a table, and per file the lines that were not run
#   scripts/coverage.sh --gate     only the files of which a line was not run
#   scripts/coverage.sh --build    only builds the programs
#   scripts/coverage.sh --again    only the table, from the last run
# No line is left out today. One that no test can reach would end in "// GCOVR_EXCL_LINE: why".
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "error: gcovr is not installed (package gcovr)" >&2; exit 12; }
build=build/coverage
jobs=$(nproc)
folders="common/crypto common/format common/snapshot controller/catalog controller/store controller/scrub
  controller/rebuild controller/retention agent/restore"
programs="unit_common_crypto unit_common_format unit_common_snapshot unit_controller_catalog unit_controller_store
  unit_controller_scrub unit_controller_rebuild unit_controller_retention unit_agent_restore_files
  unit_agent_restore_postgres unit_agent_restore_redis contract_files contract_redis contract_postgres fault_disk golden"
# Long, and they run no line that others do not: models, mutants, deep and large trees.
left_out="*GcMutant*:*CollectorUnderFault.*:GcModel.LongSchedules:NastyTreeTest.*:ExtremesTest.*"

if [ "${1:-}" != --again ]; then
  export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
  cmake --preset coverage "-DHOLDFAST_MEASURED=$(echo $folders | tr ' ' ';')" >/dev/null
  targets=""
  for program in $programs; do targets="$targets test_$program"; done
  # $targets are many words.
  # shellcheck disable=SC2086
  cmake --build $build --parallel "$jobs" --target $targets
  [ "${1:-}" != --build ] || exit 0
  find $build -name '*.gcda' -delete
  # The models need few schedules to run every line.
  export HOLDFAST_GC_SCHEDULES=400 HOLDFAST_DISK_SEEDS=100
  echo "$programs" | tr ' ' '\n' | grep . | xargs -I{} -P "$((jobs + 1))" sh -c '
    log='$build'/tests/{}.log
    '$build'/bin/test_{} --gtest_brief=1 "--gtest_filter=-$1" >"$log" 2>&1 || { cat "$log"; exit 1; }' - "$left_out"
fi
filters=""
for folder in $folders; do filters="$filters --filter $folder/"; done
status=0
# The folder to search is named: other builds may lie beside it.
# shellcheck disable=SC2086
gcovr --root . $build -j "$jobs" --fail-under-line 100 $filters >$build/coverage.txt 2>&1 || status=1
if [ "${1:-}" != --gate ]; then
  cat $build/coverage.txt
else
  # A long name stands in a line of its own.
  awk 'NF == 1 && /\.(h|cpp)$/ { name = $1; next }
    NF == 4 && name != "" { $0 = name " " $0 }
    { name = "" }
    $1 == "TOTAL" { print "lines:", $3, "of", $2, "were run" }
    $1 ~ /\.(h|cpp)$/ && $4 != "100%" { print $1 ": not run:", $5 }
    /ERROR/' $build/coverage.txt
fi
exit $status
