#!/bin/sh
# The ladder of batching policies on a device, and again on a simulation of it: T0 (TensorFlow
# Serving's rules, recommended online, inputs gathered on the host), T1 (the same rules tuned), T2
# (tuned, on our pool), take-all-when-idle, Ebird's greedy choice and elastic.
# Usage: tools/lab_ladder.sh DEVICE OUT MODEL.onnx...      a few minutes a model; SECONDS_A_RUN=1
set -e
device=$1 out=$2
shift 2
lab="${E2BIRD:-build/tools/e2bird} lab"
models= names=
for model in "$@"; do
    models="$models --model $model"
    names="$names${names:+,}$(basename "$model" .onnx)"
done
ladder="--policy elastic --policy gather/tfserving --policy tfserving --policy greedy_idle
    --policy ebird --policy gather/elastic
    --policy gather/tfserving:num_batch_threads=1,max_enqueued_batches=1
    --arrivals poisson --arrivals gamma:4 --loads ${LOADS:-30,50,70,90,110}
    --seconds ${SECONDS_A_RUN:-1} --tune ${TUNE:-12} --again --trace"
mkdir -p "$out"
echo "measuring $names"
$lab --device "$device" $models --measure "$out/device.csv"
$lab --device "$device" $models $ladder --out "$out/measured"
$lab --sim "$out/device.csv" $ladder --out "$out/simulated"
for part in measured simulated; do
    python3 "$(dirname "$0")/lab_report.py" "$out/$part"
done
