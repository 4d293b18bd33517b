#!/bin/bash
# Install, build, test. The last line says how many tests passed, failed and were skipped.
set -u

usage() {
  cat <<HELP
usage: tools/test.sh [--sanitizer NAMES] [CTEST OPTION...]
Install missing packages, build in build/, make the Python environment, and run every test.
Each skipped test is listed with its reason. The last line is "N passed, N failed, N skipped";
the exit code is 0 if none failed.
  --sanitizer address,undefined   build in build-address-undefined with these sanitizers
  --sanitizer thread              build in build-thread
Other options go to ctest:
  tools/test.sh -L unit           only the unit tests
  tools/test.sh -R runtime/base   only tests whose name matches
HELP
}

sanitizer=
type=Release
build=build
ctest_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h)
      usage
      exit 0
      ;;
    --sanitizer)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      sanitizer=$2
      type=Debug
      build=build-${sanitizer//,/-}
      shift
      ;;
    *) ctest_options+=("$1") ;;
  esac
  shift
done

# finish PASSED FAILED SKIPPED
finish() {
  echo "$1 passed, $2 failed, $3 skipped"
  [ "$2" -eq 0 ]
  exit
}

give_up() {
  echo "$1" >&2
  finish 0 1 0
}

cd "$(dirname "$0")/.." || give_up "the source tree cannot be entered"
tools/install_packages.sh || give_up "the packages could not be installed"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=$type -DE2B_SANITIZE="$sanitizer" ||
  give_up "the build could not be configured"
cmake --build "$build" || give_up "the build failed"
tools/python_env.sh >/dev/null ||
  echo "there is no Python environment: the tests that need it will fail" >&2

# OpenCL runtimes are not built with sanitizers.
export LSAN_OPTIONS="suppressions=$PWD/tests/sanitizer/leaks.supp:print_suppressions=0"
export TSAN_OPTIONS="ignore_noninstrumented_modules=1"

results=$build/test-results
mkdir -p "$results"
rm -f "$results/junit.xml"
ctest --test-dir "$build" --parallel 2 --output-on-failure --no-tests=error \
  --test-output-size-passed 1000000 --test-output-size-failed 1000000 \
  --output-junit test-results/junit.xml "${ctest_options[@]}"
[ -s "$results/junit.xml" ] || give_up "ctest ended without results"
exec python3 tools/test_results.py "$results/junit.xml"
