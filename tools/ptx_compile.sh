#!/bin/sh
# Compile an OpenCL C file to PTX without a driver, see HELP.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

help() {
    cat <<HELP
usage: tools/ptx_compile.sh FILE.cl OUT.ptx [OPTION...]
       tools/ptx_compile.sh --fetch
Compile FILE with clang and libclc to PTX, which a driver's compiler would do with OPTIONs. The PTX
differs from the driver's in the choice of instructions, but not in the inline assembly. --fetch
unpacks Debian's libclc to .cache/libclc, where none is installed. Exit code 77: tools are missing.
HELP
}

missing() {
    echo "ptx_compile: $1" >&2
    exit 77
}

fetch() {
    folder=$root/.cache/libclc
    [ -e "$folder/usr" ] && return
    mkdir -p "$folder"
    cd "$folder" && apt-get download libclc-15 > /dev/null && dpkg -x libclc-15_*.deb . && rm ./*.deb
}

case ${1:-} in
    "" | --help | -h) help && exit ;;
    --fetch) fetch && exit ;;
esac

clang=$(command -v clang-15 || command -v clang-14 || command -v clang) || missing "no clang"
library=
for folder in /usr/lib/clc "$root/.cache/libclc/usr/lib/clc"; do
    file=$folder/nvptx64--nvidiacl.bc
    [ -e "$file" ] && library=$file && break
done
[ -n "$library" ] || missing "no libclc: tools/ptx_compile.sh --fetch"

in=$1 out=$2
shift 2
count=$#
while [ "$count" -gt 0 ]; do
    case $1 in
        -cl-nv-*) ;;
        *) set -- "$@" "$1" ;;
    esac
    shift
    count=$((count - 1))
done
exec "$clang" -x cl -cl-std=CL1.2 -target nvptx64--nvidiacl -O3 -w -Dasm=__asm__ \
    -Xclang -target-cpu -Xclang sm_80 -Xclang -target-feature -Xclang +ptx75 \
    -mllvm -inline-threshold=100000 -Xclang -finclude-default-header \
    -Xclang -mlink-builtin-bitcode -Xclang "$library" \
    "$@" -S "$in" -o "$out"
