"""Another runtime as one of the engines that cpu_compare and gpu_compare measure in turns: answers
the requests that worker.c documents. Usage: peer.py ENGINE MODEL.onnx PRECISION THREADS"""

import os
import sys
import time

import numpy as np

from engine import Engine


class OnnxRuntime(Engine):
    """Its threads wait for work by spinning or by sleeping; which is faster depends on what else
    the machine does, so that both are tried and the faster one is kept."""

    TRIED_RUNS = 7

    def __init__(self, path, _precision, threads):
        import onnxruntime

        self._runtime, self._path, self._threads = onnxruntime, path, threads
        self.identity = f"ONNX Runtime {onnxruntime.__version__}, CPU"
        self._session, self._settled = None, True

    def _open(self, batch, spinning):
        options = self._runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_free_dimension_override_by_name("batch", batch)
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        # Not between runs, where it would slow down the others' turns.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = self._runtime.InferenceSession(self._path, options,
                                                       ["CPUExecutionProvider"])

    def _median_ns(self):
        times = []
        for _ in range(self.TRIED_RUNS):
            start = time.perf_counter_ns()
            self.run()
            times.append(time.perf_counter_ns() - start)
        return sorted(times)[len(times) // 2]

    def prepare(self, array):
        self._session = None  # frees the one of another batch first
        self._open(len(array), spinning=True)
        self._settled = self._threads == 1
        self._inputs = {self._session.get_inputs()[0].name: array}

    def settle(self):
        if self._settled:
            return
        self._settled = True
        batch = len(next(iter(self._inputs.values())))
        spinning_ns = self._median_ns()
        self._session = None
        self._open(batch, spinning=False)
        if self._median_ns() > spinning_ns:
            self._session = None
            self._open(batch, spinning=True)

    def start(self):
        self._outputs = self._session.run(None, self._inputs)

    def output(self):
        return self._outputs[0]


class OpenVino(Engine):
    def __init__(self, path, _precision, threads):
        import openvino

        self._openvino, self._core = openvino, openvino.Core()
        self._path = path
        # Without the hint it takes a narrower type than float where the processor has one.
        self._options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
                         "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if "E2B_BENCH_CACHE" in os.environ:
            self._options["CACHE_DIR"] = os.environ["E2B_BENCH_CACHE"]
        self.identity = f"OpenVINO {openvino.__version__.split('-')[0]}, CPU"
        self._request = None

    def prepare(self, array):
        self._request = None
        model = self._core.read_model(self._path)
        model.reshape(list(array.shape))
        self._request = self._core.compile_model(model, "CPU", self._options).create_infer_request()
        self._array = array
        self._request.set_input_tensor(self._openvino.Tensor(array, shared_memory=True))

    def start(self):
        self._request.infer()

    def output(self):
        return np.array(self._request.get_output_tensor(0).data)


def engine(name):
    if name.startswith("torch-"):
        import torch_engine

        return torch_engine.ENGINES[name]
    return {"onnxruntime": OnnxRuntime, "openvino": OpenVino}[name]


def answer(runtime, verb, rest):
    start = time.perf_counter_ns()
    if verb == "prepare":
        runtime.prepare(np.load(rest.split(maxsplit=1)[1]))
        ready = time.perf_counter_ns()
        runtime.run()
        return [ready - start, time.perf_counter_ns() - ready]
    if verb == "run":
        times = []
        count, in_a_row = map(int, f"{rest} 1".split()[:2])
        runtime.settle()
        for _ in range(count):
            start = time.perf_counter_ns()
            runtime.run(in_a_row)
            times.append((time.perf_counter_ns() - start) // in_a_row)
        return times
    if verb == "output":
        np.save(rest, runtime.output())
        return []
    raise ValueError("unknown request; there are open, prepare, run and output")


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(*words):
        print(*words, file=answers, flush=True)

    name, path, precision, threads = sys.argv[1:]
    try:
        kind = engine(name)
        start = time.perf_counter_ns()
        runtime = kind(path, precision, int(threads))
        say("ok", time.perf_counter_ns() - start, runtime.identity)
        for request in sys.stdin:
            verb, _, rest = request.rstrip("\n").partition(" ")
            try:
                if verb == "open":
                    runtime, start = None, time.perf_counter_ns()
                    runtime = kind(rest, precision, int(threads))
                    say("ok", time.perf_counter_ns() - start)
                else:
                    say("ok", *answer(runtime, verb, rest))
            except Exception as error:  # the next request may succeed
                say("error", f"{type(error).__name__}: {error}".split("\n")[0])
    except Exception as error:
        say("error", f"{type(error).__name__}: {error}".split("\n")[0])


if __name__ == "__main__":
    main()
