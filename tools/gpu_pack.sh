#!/bin/sh
# Pack a build for a host that has a GPU driver and nothing else, see HELP.
set -eu
cd "$(dirname "$0")/.."

help() {
    cat <<HELP
usage: tools/gpu_pack.sh [--build FOLDER] [--python VERSION] [--limit MIB]
Put e2bird, its tests and the shared libraries that they need in build-gpu/, for a Linux host of the
same architecture with the same or a newer C library. On that host, tools/gpu_host.sh runs them.
  --build FOLDER     the build to pack (default: build)
  --python VERSION   also the packages with which that python3 (as 3.12) makes networks
  --limit MIB        fail if more than this was packed (default: 60)
HELP
}

build=build
python=
limit=60
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=${2:?"--build FOLDER"} && shift 2 ;;
        --python) python=${2:?"--python VERSION"} && shift 2 ;;
        --limit) limit=${2:?"--limit MIB"} && shift 2 ;;
        --help | -h) help && exit ;;
        *) help >&2 && exit 2 ;;
    esac
done
[ -x "$build/tools/e2bird" ] || {
    echo "gpu_pack: $build/tools/e2bird is not built: cmake --build $build" >&2
    exit 1
}

pack="build-gpu"
rm -rf "$pack"
mkdir -p "$pack/bin" "$pack/tests" "$pack/lib" "$pack/fallback"

for program in e2bird bench/bench_worker; do
    strip -o "$pack/bin/$(basename "$program")" "$build/tools/$program"
done
find "$build/tests" -type f -name 'test_*' -perm -u+x | while read -r test; do
    strip -o "$pack/tests/$(basename "$test")" "$test"
done

# The C library is the host's. So is C++'s, unless the host has none: an older one must not come
# before it, for the driver's sake.
find "$pack/bin" "$pack/tests" -type f -exec ldd {} + | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
    case $(basename "$library") in
        libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.*) ;;
        libstdc++.so.* | libgcc_s.so.*) cp -L "$library" "$pack/fallback/" ;;
        *) cp -L "$library" "$pack/lib/" ;;
    esac
done

if [ -n "$python" ]; then
    mkdir "$pack/wheels"
    grep -E '^(numpy|onnx)==' tools/python_requirements.txt > "$pack/wheels/requirements.txt"
    "$(tools/python_env.sh)" -m pip download --quiet --disable-pip-version-check \
        --only-binary=:all: --python-version "$python" --dest "$pack/wheels" \
        --requirement "$pack/wheels/requirements.txt"
fi

size=$(du -sm "$pack" | cut -f 1)
echo "$pack: $(find "$pack/tests" -type f | wc -l) tests," \
    "$(find "$pack/lib" -type f | wc -l) libraries, $size MiB"
[ "$size" -le "$limit" ] || {
    echo "gpu_pack: more than $limit MiB" >&2
    exit 1
}
