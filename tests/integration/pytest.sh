#!/bin/sh
# Run pytest by the project's Python environment; arguments are pytest's. Exit code 77: a whole file
# was skipped when it was collected. Temporary folders are this run's own: those that pytest shares
# between runs are closed to other users whenever one starts, also under a server that runs as one.
set -eu
python=$("$(dirname "$0")/../../tools/python_env.sh")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
status=0
"$python" -m pytest -q -rs -p no:cacheprovider --basetemp "$folder/pytest" "$@" || status=$?
[ "$status" -ne 5 ] || exit 77
exit "$status"
