#!/bin/sh
# Debian packages of Holdfast: holdfast-controller, holdfast-agent, holdfast (the command line).
#   deploy/package.sh [--build DIR] [--output DIR] [--revision N]
# Takes the programs from DIR/bin of a CMake build (default: build/release, built first). Manual pages and
# completions come from the programs themselves. Prints the packages' paths.
set -eu
cd "$(dirname "$0")/.."

build="" output=build/packages revision=1
while [ $# -gt 0 ]; do
  case "$1" in
    --build) build=$2 ;;
    --output) output=$2 ;;
    --revision) revision=$2 ;;
    *) echo "usage: deploy/package.sh [--build DIR] [--output DIR] [--revision N]" >&2; exit 2 ;;
  esac
  shift 2
done

for tool in dpkg-buildpackage dh; do
  command -v "$tool" >/dev/null || {
    echo "error: unable to make packages: '$tool' is missing" >&2
    echo "hint: scripts/install_deps.sh --package" >&2
    exit 2
  }
done
if [ -z "$build" ]; then
  build=build/release
  cmake --preset release >&2
  cmake --build "$build" --target holdfast-controller holdfast-agent holdfast >&2
fi

version=$(sed -n 's/.*kVersion\[\] = "\(.*\)".*/\1/p' common/base/version.h)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/holdfast
mkdir -p "$tree/stage/bin" "$tree/stage/completions" "$tree/stage/man"
cp -R deploy/debian "$tree/debian"
cp -R deploy/config "$tree/stage/config"
cp -R docs "$tree/stage/docs"
for unit in deploy/systemd/*; do
  cp "$unit" "$tree/debian/"
done
for program in holdfast-controller holdfast-agent holdfast; do
  section=8
  [ "$program" = holdfast ] && section=1
  cp "$build/bin/$program" "$tree/stage/bin/"
  "$build/bin/$program" --print-completion >"$tree/stage/completions/$program"
  "$build/bin/$program" --print-manual "$section" >"$tree/stage/man/$program.$section"
done

# The time of the commit, so that the same sources give the same packages.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y common/base/version.h)
export SOURCE_DATE_EPOCH
cat >"$tree/debian/changelog" <<END
holdfast ($version-$revision) stable; urgency=medium

  * See docs/ in the repository of Holdfast.

 -- Holdfast maintainers <maintainers@holdfast.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

(cd "$tree" && dpkg-buildpackage -b -us -uc >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
mkdir -p "$output"
cp "$work"/*.deb "$output/"
ls "$output"/*"_$version-${revision}_"*.deb
