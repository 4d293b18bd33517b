#!/bin/sh
# From a fresh checkout to an answer about a photograph, see HELP.
set -eu
cd "$(dirname "$0")/.."

if [ $# -gt 0 ]; then
    cat <<HELP
usage: tools/demo.sh
Install what is missing, build e2bird, prepare a trained network, serve it, ask what a photograph
shows, and stop the server. Ends with status 0 only if the answer is the one on record
(tools/models/demo_record.json). Nothing is done twice: a second run takes seconds.
  Needs:   Debian 12 or a system with the same package names; a network on the first run
  Writes:  build/, models/, .cache/
HELP
    [ "$1" = --help ] || [ "$1" = -h ]
    exit
fi

config=configs/demo.yaml
command=build/tools/e2bird
work=$(mktemp -d)
server=
reader=

clean_up() {
    [ -z "$reader" ] || kill "$reader" 2> /dev/null || true
    if [ -n "$server" ]; then
        kill -TERM "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$1"; }
fail() {
    echo "demo: $1" >&2
    exit 1
}

step "1/6  Packages"
tools/install_packages.sh

step "2/6  Build (Release, in build/)"
if [ ! -f build/CMakeCache.txt ]; then
    if command -v ninja > /dev/null; then generator=Ninja; else generator="Unix Makefiles"; fi
    cmake -S . -B build -G "$generator" -DCMAKE_BUILD_TYPE=Release > "$work/cmake.log" || {
        cat "$work/cmake.log"
        fail "cmake could not configure the build"
    }
fi
cmake --build build --target e2bird --parallel

step "3/6  Network, labels and photograph (EfficientNet-Lite0, ImageNet, a public photograph)"
python=$(tools/python_env.sh)
"$python" tools/models/efficientnet_lite0.py

step "4/6  Server"
port=$("$python" tools/demo_answer.py free-port 8000)
url=http://127.0.0.1:$port
: > "$work/server.log"
"$command" serve "$config" --port "$port" 2>> "$work/server.log" &
server=$!
echo "$command serve $config --port $port"
echo "The first start compiles and checks the kernels of every batch size for this device."
tail -n +1 -f "$work/server.log" &
reader=$!
waited=0
until curl --silent --fail --output "$work/ready" "$url/v2/health/ready"; do
    kill -0 "$server" 2> /dev/null || {
        server=
        fail "the server ended before it was ready: $(tail -n 1 "$work/server.log")"
    }
    [ "$waited" -lt 3000 ] || fail "the server was not ready after five minutes"
    waited=$((waited + 1))
    sleep 0.1
done
kill "$reader" 2> /dev/null || true
wait "$reader" 2> /dev/null || true
reader=

step "5/6  What is in models/coffee.png?"
echo "curl -H 'Content-Type: image/png' --data-binary @models/coffee.png \\"
echo "    '$url/v2/models/efficientnet_lite0/infer?top=5'"
curl --silent --show-error --dump-header "$work/headers" --output "$work/answer" \
    --header "Content-Type: image/png" --data-binary @models/coffee.png \
    "$url/v2/models/efficientnet_lite0/infer?top=5" || fail "the server gave no answer"
right=0
"$python" tools/demo_answer.py show "$work/answer" "$work/headers" || right=$?

step "6/6  Stop (SIGTERM: requests in flight are answered first)"
kill -TERM "$server"
stopped=0
wait "$server" || stopped=$?
server=
[ "$stopped" -eq 0 ] || {
    tail -n 5 "$work/server.log" >&2
    fail "the server stopped with status $stopped"
}
[ "$right" -eq 0 ] || fail "the answer is not the one on record"
echo "The answer is the one on record."
