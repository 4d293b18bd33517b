#!/bin/sh
# The ladder of batching policies on a device, and again on a simulation of it: T0 (TensorFlow
# Serving's rules, recommended online, inputs gathered on the host), T1 (the same rules tuned), T2
# (tuned, on our pool), take-all-when-idle, Ebird's greedy choice and elastic. Options are tuned on
# the simulation, which costs none of the device's time.
# Usage: tools/lab_ladder.sh DEVICE OUT MODEL.onnx...
# OUT then holds device.csv (times measured), measured.md, simulated.md, agreement.md and
# ladder.tar.gz (all numbers and plots). It ends after about LIMIT seconds (220), with what was run
# until then. Also: LOADS=50,80,110 SECONDS_A_RUN=1 TUNE=12 SIZES=1,2,4,8,16,32 PRECISION=fp32
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
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models=
for model in "$@"; do
    models="$models --model $model"
done
common="--sizes ${SIZES:-1,2,4,8,16,32} --precision ${PRECISION:-fp32}"
ladder="--policy elastic --policy gather/tfserving --policy tfserving --policy greedy_idle
    --policy ebird --policy gather/tfserving:num_batch_threads=1,max_enqueued_batches=1
    --arrivals poisson --arrivals gamma:4 --loads ${LOADS:-50,80,110}
    --seconds ${SECONDS_A_RUN:-1} --tune ${TUNE:-12} --again"

# Seconds that are left of LIMIT, less what is kept for the rest.
left() {
    seconds=$((${LIMIT:-220} - ($(date +%s) - start) - $1))
    echo $((seconds > 5 ? seconds : 5))
}

timeout "$(left 20)" $lab --device "$device" $models $common --measure "$out/device.csv"
timeout "$(left 20)" $lab --device "$device" $models $common $ladder --tune-sim "$out/device.csv" \
    --out "$work/measured" || echo "the device's part ended early: $?" >&2
timeout "$(left 5)" $lab --sim "$out/device.csv" $ladder --out "$work/simulated" > /dev/null ||
    echo "the simulation ended early: $?" >&2
if command -v python3 > /dev/null; then
    for part in measured simulated; do
        python3 "$tools/lab_report.py" "$work/$part" && cp "$work/$part/report.md" "$out/$part.md"
    done
    python3 "$tools/lab_report.py" "$work/measured" --simulated "$work/simulated" &&
        cp "$work/measured/agreement.md" "$out/"
fi
tar -czf "$out/ladder.tar.gz" -C "$work" measured simulated
