#!/bin/sh
# Make the Python environment of the scripts and tests in .cache/python, once, and print the path of
# its python3 as the last line of standard output. E2B_PYTHON names another python3 to use as it is.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
environment=$root/.cache/python
requirements=$root/tools/python_requirements.txt

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    cat <<HELP
usage: tools/python_env.sh
Make .cache/python with the packages of tools/python_requirements.txt (about 320 MB, half a minute),
once, and print the path of its python3 as the last line. A change of that file makes it again.
  E2B_PYTHON=/usr/bin/python3 tools/python_env.sh    use that one, which must have numpy and onnx
HELP
    exit 0
fi

if [ -n "${E2B_PYTHON:-}" ]; then
    "$E2B_PYTHON" -c 'import numpy, onnx' || {
        echo "E2B_PYTHON=$E2B_PYTHON lacks numpy or onnx" >&2
        exit 1
    }
    echo "$E2B_PYTHON"
    exit 0
fi

if cmp -s "$requirements" "$environment/made-from.txt"; then
    echo "$environment/bin/python3"
    exit 0
fi

python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || {
    echo "python3 3.11 or newer with its venv module is needed: apt-get install python3-venv" >&2
    exit 1
}
echo "Making the Python environment in .cache/python (once, about half a minute)" >&2
rm -rf "$environment"
mkdir -p "$root/.cache"
python3 -m venv "$environment"
"$environment/bin/python3" -m pip install --quiet --disable-pip-version-check \
    --requirement "$requirements" >&2 || {
    echo "pip could not install tools/python_requirements.txt: is there a network?" >&2
    exit 1
}
cp "$requirements" "$environment/made-from.txt"
echo "$environment/bin/python3"
