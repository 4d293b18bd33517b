#!/bin/sh
# The ladder of batching policies on a device, and again on a simulation of it: T0 (TensorFlow
# Serving's rules, recommended online, inputs gathered on the host: one batch thread, and as many as
# its default on 16 processors), T1 (the same rules tuned), T2 (tuned, on our pool) and elastic, which
# runs twice: the difference is the noise. Options are tuned on the simulation, which costs none of
# the device's time.
# Usage: tools/lab_ladder.sh DEVICE OUT MODEL.onnx[+MODEL.onnx...]...
# OUT then holds device.csv (times measured; models are named with their precision), measured.md,
# simulated.md, agreement.md and ladder.tar.gz (all numbers and plots). It ends after about LIMIT
# seconds (220), with what was run until then, in random order. Also: PRECISIONS="fp32 fp16"
# LOADS=10,30,50,70,90,110 SECONDS_A_RUN=0.5 TUNE=12 SIZES=1,2,4,8,16,32 SLOTS=256
# POLICIES="--policy greedy_idle --policy ebird" (more of them)
# HOST="--copy-host 15 --gather-host 80 --stalls 3" (of the simulation: what the host takes, see e2bird lab --help)
set -e
if [ $# -lt 3 ]; then
    sed -n 's/^# //; s/^Usage/usage/p' "$0" >&2
    exit 2
fi
device=$1 out=$2
shift 2
start=$(date +%s)
tools=$(dirname "$0")
[ -x build/tools/e2bird ] && built=build/tools/e2bird || built=e2bird # or that of tools/gpu_host.sh
lab="${E2BIRD:-$built} lab"
precisions=${PRECISIONS:-fp32 fp16}
limit=${LIMIT:-220}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models= names= parts= # what is served together is measured alone
for model in "$@"; do
    models="$models --model $model"
    names="$names --model $(echo "$model" | sed 's/[^+]*\///g; s/\.onnx//g')"
done
for part in $(printf '%s\n' "$@" | tr + '\n' | sort -u); do
    parts="$parts --model $part"
done
ladder="--policy elastic ${POLICIES:-}
    --policy gather/tfserving:num_batch_threads=1,max_enqueued_batches=1
    --policy gather/tfserving:num_batch_threads=16,max_enqueued_batches=16
    --rival gather/tfserving --rival tfserving --tune ${TUNE:-12} --again
    --arrivals poisson --arrivals gamma:4 --loads ${LOADS:-10,30,50,70,90,110}
    --slots ${SLOTS:-256} --seconds ${SECONDS_A_RUN:-0.5}
    ${HOST:---copy-host 15 --gather-host 80 --stalls 3}"

# Seconds that are left until SHARE % of LIMIT have passed.
left() {
    seconds=$((limit * $1 / 100 - ($(date +%s) - start)))
    echo $((seconds > 5 ? seconds : 5))
}

# Tables of all precisions in one, where a model's name tells its precision.
add_table() {
    [ -s "$out/device.csv" ] && skip='^model,\|^#' || skip='^$'
    grep -v "$skip" "$1/device.csv" | sed "/^#/!{/^model,/!s/,/_$2,/}" >> "$out/device.csv"
}

run_device() {
    common="--sizes ${SIZES:-1,2,4,8,16,32} --precision $2"
    mkdir -p "$1"
    timeout "$(left "$3")" $lab --device "$device" $parts $common --measure "$1/device.csv" || return
    add_table "$1" "$2"
    timeout "$(left "$3")" $lab --device "$device" $models $common $ladder --tune-sim "$1/device.csv" \
        --out "$1/measured" || echo "the device's part of $2 ended early: $?" >&2
}

report() {
    python3 "$tools/lab_report.py" "$1/measured" && python3 "$tools/lab_report.py" "$1/simulated" &&
        python3 "$tools/lab_report.py" "$1/measured" --simulated "$1/simulated" || return
    for part in measured/report measured/agreement simulated/report; do
        name=$(basename "$part")
        [ "$name" = report ] && name=$(dirname "$part")
        { printf '# %s\n\n' "$2" && sed 's/^#/##/' "$1/$part.md"; } >> "$out/$name.md"
    done
}

rm -f "$out/device.csv" "$out/measured.md" "$out/simulated.md" "$out/agreement.md"
count=$(echo "$precisions" | wc -w)
number=0
for precision in $precisions; do # the device serves one at a time
    number=$((number + 1))
    run_device "$work/$precision" "$precision" $((88 * number / count)) ||
        echo "$precision was not measured: $?" >&2
done
for precision in $precisions; do # of simulations each has a processor
    [ ! -s "$work/$precision/device.csv" ] ||
        timeout "$(left 97)" $lab --sim "$work/$precision/device.csv" $names $ladder \
            --out "$work/$precision/simulated" > /dev/null ||
        echo "the simulation of $precision ended early: $?" >&2 &
done
wait
if command -v python3 > /dev/null; then
    for precision in $precisions; do
        report "$work/$precision" "$precision" || echo "no report of $precision" >&2
    done
fi
tar -czf "$out/ladder.tar.gz" -C "$work" .
