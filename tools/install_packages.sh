#!/bin/sh
# Install what building, running and testing e2bird needs on Debian 12; only what is missing.
set -eu

packages="build-essential cmake ninja-build pkg-config ocl-icd-opencl-dev opencl-c-headers
pocl-opencl-icd clinfo libclblast-dev libhwloc-dev libyaml-dev libmicrohttpd-dev libjansson-dev
libprotobuf-c-dev protobuf-c-compiler libturbojpeg0-dev libpng-dev libcmocka-dev gnuplot-nox curl
python3 python3-venv"

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  cat <<HELP
usage: tools/install_packages.sh [--dry-run]
Install the Debian packages that e2bird needs and that are missing, as root or through sudo. Does
nothing, and needs no network, when all are there. --dry-run only prints the missing ones.
HELP
  exit 0
fi

missing=
for package in $packages; do
  # A virtual or removed package prints another state or nothing.
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "${1:-}" = --dry-run ]; then
  echo "missing:$missing"
  exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These packages are missing, and this is neither root nor has it sudo. As root, run:" >&2
    echo "  apt-get install$missing" >&2
    exit 1
  fi
  as_root=sudo
fi

echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # lists of words
{
  $as_root apt-get update -qq || echo "the package lists could not be renewed; going on" >&2
  $as_root apt-get install -y -qq --no-install-recommends $missing </dev/null
}
