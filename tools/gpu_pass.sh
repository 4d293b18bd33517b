#!/bin/sh
# One pass over a GPU within a given time, see HELP.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)

help() {
    cat <<HELP
usage: tools/gpu_pass.sh [OPTION...] FOLDER
On a host that has a GPU, after tools/gpu_pack.sh: test the kernels, tune the networks, compare with
PyTorch; in this order, each stage within its share of the time, so that what hangs costs no other
stage its turn. Leaves at most 8 files in FOLDER: devices.txt, tests.txt, tune.txt, device.tune (for
configs/tuning), layers.txt, compare.md, compare.txt, stages.txt.
  --seconds S      for everything (default 540)
  --stages LIST    of tests,tune,layers,compare (default: all)
  --networks LIST  to tune and compare (default: those of the bars)
  --batch LIST     batch sizes (default: 1,8,32,128)
  --precision LIST fp16,fp32 (default: fp16,fp32)
  --device SELECT  as e2bird's (default: gpu)
HELP
}

seconds=540 stages=tests,tune,layers,compare batch=1,8,32,128 precisions=fp16,fp32 device=gpu
networks=resnet50,mobilenet_v2,inception_v3,vgg16,bert_base,vit_b16,resnet152
while [ $# -gt 1 ]; do
    case $1 in
        --seconds) seconds=$2 ;;
        --stages) stages=$2 ;;
        --networks) networks=$2 ;;
        --batch) batch=$2 ;;
        --precision) precisions=$2 ;;
        --device) device=$2 ;;
        *) help >&2 && exit 2 ;;
    esac
    shift 2
done
case ${1:-} in
    "" | -*) help && exit 2 ;;
esac
mkdir -p "$1" && out=$(cd "$1" && pwd)
cd "$root" || exit 1
begin=$(date +%s)
host=tools/gpu_host.sh
python=${E2B_PYTHON:-python3}
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$root/.cache/session}"
export E2B_TEST_DEVICE=$device

left() {
    echo $((begin + seconds - $(date +%s)))
}

note() {
    echo "$(($(date +%s) - begin)) s: $*" | tee -a "$out/stages.txt"
}

# within SECONDS LOG COMMAND...: the command's status is noted, what it says is kept.
within() {
    limit=$1 log=$2
    shift 2
    echo "== $*" >> "$log"
    status=0
    timeout -k 5 "$limit" "$@" >> "$log" 2>&1 || status=$?
    echo "== status $status" >> "$log"
    return "$status"
}

wanted() {
    case ,$stages, in
        *,"$1",*) [ "$(left)" -gt 5 ] ;;
        *) false ;;
    esac
}

models() {
    for network in $(echo "$networks" | tr , ' '); do
        "$python" tools/models/generate.py "$network" > /dev/null 2>> "$out/stages.txt" &
    done
    wait
    note "networks: made"
}

# What was never run on a card comes first.
tests() {
    end=$(($(left) * 70 / 100))
    note "tests: at most $(($(left) - end)) s"
    status=0
    for pattern in 'test_backends_opencl_*' test_kernels_conv_conv 'test_kernels_attention*' \
        'test_kernels_gemm*' 'test_kernels_[!cag]*'; do
        [ "$(left)" -gt $((end + 5)) ] || break
        within $(($(left) - end)) "$out/tests.txt" "$host" --tests "$pattern" || status=$?
    done
    note "tests: status $status"
}

tune() {
    share=$(($(left) * 50 / 100))
    tasks=$(($(echo "$networks" | tr , '\n' | wc -l) * $(echo "$precisions" | tr , '\n' | wc -l)))
    each=$((share / tasks))
    [ "$each" -gt 4 ] || each=5
    note "tune: $tasks times $each s"
    for precision in $(echo "$precisions" | tr , ' '); do
        for network in $(echo "$networks" | tr , ' '); do
            [ "$(left)" -gt "$each" ] || continue
            within $((each + 30)) "$out/tune.txt" "$host" e2bird tune \
                "models/generated/$network.onnx" --batch "$batch" --precision "$precision" \
                --device "$device" --seconds "$each" --output "$out/device.tune" ||
                note "tune: $network $precision failed"
        done
    done
    note "tune: done"
}

# Each layer against the device's limits, for the networks in turn.
layers() {
    for network in $(echo "$networks" | tr , ' '); do
        [ "$(left)" -gt 20 ] || continue
        within 40 "$out/layers.txt" "$host" e2bird bench "models/generated/$network.onnx" \
            --batch "$batch" --precision "${precisions%%,*}" --device "$device" ||
            note "layers: $network failed"
    done
    note "layers: done"
}

compare() {
    budget=$(($(left) - 25))
    set -- --quick --batch "$batch" --precision "$precisions" --budget "$budget" --device "$device"
    [ ! -d "$XDG_CACHE_HOME/e2bird/tuning" ] || set -- "$@" --tuning "$XDG_CACHE_HOME/e2bird/tuning"
    within $((budget + 20)) "$out/compare.txt" "$host" "$python" tools/bench/gpu_compare "$@" \
        --output "$out/compare.md" $(echo "$networks" | tr , ' ') || note "compare: status $?"
}

"$host" e2bird devices > "$out/devices.txt" 2>&1
models
if wanted tests; then tests; fi
if wanted tune; then tune; fi
if wanted layers; then layers; fi
if wanted compare; then compare; fi
note "end"
