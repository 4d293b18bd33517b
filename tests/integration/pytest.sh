#!/bin/sh
# Run pytest by the project's Python environment; arguments are pytest's. Exit code 77: a whole file
# was skipped when it was collected.
set -eu
python=$("$(dirname "$0")/../../tools/python_env.sh")
status=0
"$python" -m pytest -q -rs -p no:cacheprovider "$@" || status=$?
[ "$status" -ne 5 ] || exit 77
exit "$status"
