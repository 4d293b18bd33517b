"""Counts of tools/bench/instructions.py, by whatever counts on this machine."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[3]
BENCH = ROOT / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import instructions  # noqa: E402
import workers  # noqa: E402

SIZE = 512


@pytest.fixture(scope="module")
def counter():
    try:
        return instructions.choose()
    except instructions.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """A network that does SIZE x SIZE multiply-adds a sample."""
    path = tmp_path_factory.mktemp("network") / "product.onnx"
    weight = np.random.default_rng(1).standard_normal((SIZE, SIZE), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"], name="product")], "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", SIZE])],
        [numpy_helper.from_array(weight, "weight")])
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def start(engine, path, prefix):
    one = {"environment": {"POCL_MAX_PTHREAD_COUNT": "1", "OMP_NUM_THREADS": "1"}, "prefix": prefix}
    if engine == "e2bird":
        worker = pathlib.Path(os.environ["E2B_BUILD"]) / "tools" / "bench" / "bench_worker"
        return workers.e2bird(engine, worker, path, "fp32", "cpu", **one)
    return workers.peer(engine, path, "fp32", 1, **one)


@pytest.mark.parametrize("engine", ["e2bird", "onnxruntime"])
def test_as_many_as_the_arithmetic_needs(counter, product, tmp_path, engine):
    worker = start(engine, product, counter.prefix(tmp_path))
    counts = []
    for batch in (16, 64):
        np.save(tmp_path / "in.npy", np.ones((batch, SIZE), np.float32))
        worker.ask("prepare", batch, tmp_path / "in.npy")
        counts.append(counter.count(worker, tmp_path))
    worker.close()
    additional = SIZE * SIZE * (64 - 16)  # multiply-adds; vectors hold 4 to 16
    assert additional / 16 < counts[1] - counts[0] < additional


def test_what_ends_while_counted_fails_in_one_line(counter, tmp_path):
    text = ("print('ok 5 an engine', flush=True)\n"
            "input()\n"
            "raise SystemExit('out of paper')")
    worker = workers.Worker("printer", [*counter.prefix(tmp_path), sys.executable, "-c", text])
    with pytest.raises(workers.Failed, match="printer: ended with status 1: out of paper$"):
        counter.count(worker, tmp_path)
    with pytest.raises(workers.Failed, match="^printer: [^\n]+$"):
        counter.count(worker, tmp_path)
    worker.close()


def test_a_machine_without_counters_is_told_before_anything_is_measured(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCH / "cpu_compare", "--build", os.environ["E2B_BUILD"],
         "--instructions"], capture_output=True, text=True, env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.endswith(
        "--instructions: perf is not installed; valgrind is not installed\n")
