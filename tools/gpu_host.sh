#!/bin/sh
# Run a command on a host that has a GPU driver and nothing else, see HELP.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
pack=$root/build-gpu

help() {
    cat <<HELP
usage: tools/gpu_host.sh COMMAND [ARGUMENT...]
       tools/gpu_host.sh --tests [PATTERN]
Run COMMAND with what tools/gpu_pack.sh packed: the folder of e2bird in PATH, its libraries, and an
OpenCL loader that knows the host's drivers. --tests runs the packed tests whose name matches
(shell pattern, default all) from the project's folder, and counts.
  tools/gpu_host.sh e2bird devices
HELP
}

case ${1:-} in
    "" | --help | -h) help && exit ;;
esac
[ -x "$pack/bin/e2bird" ] || {
    echo "gpu_host: $pack is missing: make it with tools/gpu_pack.sh" >&2
    exit 1
}

# Where a library of the host lies: what the loader knows, then the usual folders of drivers.
host_library() {
    { command -v ldconfig > /dev/null && ldconfig -p || /sbin/ldconfig -p || true; } 2> /dev/null |
        awk -v name="$1" '$1 == name { print $NF; exit }'
    for folder in /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib \
        /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/lib64 /usr/lib/wsl/lib \
        /opt/rocm/lib /usr/lib/nvidia; do
        find "$folder" -maxdepth 1 -name "$1*" 2> /dev/null | sort | head -n 1
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
libraries=$pack/lib
for icd in /etc/OpenCL/vendors/*.icd; do
    if [ -f "$icd" ]; then cp "$icd" "$work/"; fi
done
driver=$(host_library libnvidia-opencl.so.1 | head -n 1)
if [ -n "$driver" ]; then
    rm -f "$work"/nvidia*.icd
    echo "$driver" > "$work/nvidia.icd"
    libraries=$libraries:$(dirname "$driver")
fi
[ -n "$(ls "$work")" ] || echo "gpu_host: no OpenCL driver was found on this host" >&2
[ -n "$(host_library libstdc++.so.6 | head -n 1)" ] || libraries=$libraries:$pack/fallback

export OCL_ICD_VENDORS="$work"
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PATH="$pack/bin:$PATH"
if [ -d "$pack/wheels" ]; then
    [ -d "$pack/python" ] || for wheel in "$pack"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$pack/python"
    done
    export PYTHONPATH="$pack/python${PYTHONPATH:+:$PYTHONPATH}"
fi

if [ "$1" != --tests ]; then
    status=0
    "$@" || status=$?
    exit "$status"
fi

cd "$root"
passed=0 skipped=0 failed=
for test in "$pack"/tests/${2:-*}; do
    status=0
    "$test" > "$work/log" 2>&1 || status=$?
    case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *)
            failed="$failed $(basename "$test")"
            echo "== $(basename "$test"): status $status"
            tail -n 30 "$work/log"
            ;;
    esac
done
echo "passed $passed, skipped $skipped, failed $(echo "$failed" | wc -w):$failed"
[ -z "$failed" ]
