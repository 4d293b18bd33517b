#!/bin/sh
# Run pytest by the project's Python environment; arguments are pytest's.
set -eu
python=$("$(dirname "$0")/../../tools/python_env.sh")
exec "$python" -m pytest -q -rs -p no:cacheprovider "$@"
