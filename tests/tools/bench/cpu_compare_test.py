"""tools/bench/cpu_compare from end to end, and its checks."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BENCH = ROOT / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import cpu_results  # noqa: E402
import measure  # noqa: E402
import networks  # noqa: E402
import race  # noqa: E402
import workers  # noqa: E402
import compare as network_compare  # noqa: E402 (of tools/models, where networks looks)


@pytest.fixture(scope="session")
def build():
    folder = pathlib.Path(os.environ["E2B_BUILD"])
    assert (folder / "tools" / "bench" / "bench_worker").exists()
    return folder


def compare(*arguments):
    return subprocess.run([sys.executable, BENCH / "cpu_compare", *map(str, arguments)],
                          capture_output=True, text=True)


def test_one_network_on_every_engine(build, tmp_path):
    file = tmp_path / "result.md"
    done = compare("mobilenet_v2", "--batch", "1,2", "--threads", 1, "--rounds", 1, "--seconds",
                   0.01, "--no-cold", "--build", build, "--output", file)
    assert done.returncode in (0, 3), done.stdout + done.stderr  # 3: a bar was missed
    text = file.read_text()
    assert text == done.stdout
    for batch in (1, 2):
        (row,) = [line for line in text.splitlines()
                  if line.startswith(f"| mobilenet_v2, batch {batch} ") and ".." in line]
        assert " - " not in row
    assert "geometric mean of 1" in text and "Not compared" not in text
    assert ("**no**" in text) == (done.returncode == 3)


@pytest.mark.parametrize("arguments, text", [
    (["resnet51"], "unknown network 'resnet51'"), (["--peers", "tensorrt"], "unknown peer"),
    (["--threads", "0"], "--threads 0: 1.."), (["--build", "/nonexistent"], "cmake --build")])
def test_refuses(build, arguments, text):
    done = compare("--build", build, *arguments) if "--build" not in arguments else compare(
        *arguments)
    assert done.returncode == 2
    assert text in done.stderr


class Answering:
    """An engine that says that it is fast."""

    def __init__(self, name, output):
        self.name, self._output = name, output

    def ask(self, verb, *rest):
        if verb == "output":
            np.save(rest[0], self._output)
            return []
        return [1, 1] if verb == "prepare" else [1000] * rest[0]


def test_wrong_numbers_get_no_ratio(tmp_path):
    right = np.ones((1, 10), np.float32)
    engines = [Answering("good", right), Answering("bad", 1.01 * right)]
    result = race.run("x", engines, right, tmp_path, 1e-4, lambda _: (slice(None), right), 2, 1e-6)
    assert result.errors["bad"] == pytest.approx(0.01, rel=1e-3)
    assert result.ratio("bad", "good") is None
    assert result.ratio("good", "good") == measure.Spread(1, 1, 1)
    assert race.explain(result, 1e-4) == [
        "- x: bad is wrong, relative error 1.0e-02 (allowed 1e-04): not timed"]


def test_not_a_number_is_wrong(tmp_path):
    right = np.ones((1, 10), np.float32)
    result = race.run("x", [Answering("bad", right * np.nan)], right, tmp_path, 1e-4,
                      lambda _: (slice(None), right), 1, 1e-6)
    assert not result.turns
    assert len(race.explain(result, 1e-4)) == 1


def record(batch=1, own_ns=100, peer_ns=100, network="resnet50", **more):
    turns = {"e2bird": [[own_ns]], "onnxruntime": [[peer_ns]]}
    return cpu_results.Record(network, batch, race.Result(f"{network}, batch {batch}", turns=turns),
                              **more)


def test_records_are_kept_line_by_line(tmp_path):
    file = tmp_path / "results.jsonl"
    assert cpu_results.load(file) == []
    for batch, ns in ((1, 100), (8, 700), (1, 90)):  # the last replaces the first
        cpu_results.add(file, record(batch, ns, warm={"e2bird": 0.5}))
    assert cpu_results.load(file) == [record(8, 700, warm={"e2bird": 0.5}),
                                      record(1, 90, warm={"e2bird": 0.5})]


def test_bars_tell_what_is_missed():
    mib = cpu_results.MIB
    records = [record(1, 100, 120, peaks={"e2bird": 99 * mib, "onnxruntime": 98 * mib},
                      warm={"e2bird": 0.9}, convolution_percents=[80.0, 84.0, 99.0]),
               record(1, 100, 70, "vgg16", peaks={"e2bird": 5 * mib, "onnxruntime": 6 * mib})]
    met = {bar.what: bar.met for bar in cpu_results.bars(records, ["onnxruntime", "openvino"])}
    assert met == {"onnxruntime / e2bird, batch 1, geometric mean of 2": False,  # 0.92
                   "onnxruntime / e2bird, batch 1, worst network": False,
                   "convolutions, resnet50, batch 1": False,
                   "warm start to first answer, resnet50, batch 1": True,
                   "peak memory, resnet50, batch 1": False, "peak memory, vgg16, batch 1": True}
    text = cpu_results.tables(records, ["onnxruntime", "openvino"])
    assert text.count("**no**") == 4


def test_instructions_stand_beside_times():
    counts = {"e2bird": 2e6, "onnxruntime": 3e6}
    records = [record(1, 100, 120, instructions=counts, counter="valgrind"), record(8)]
    text = cpu_results.tables(records, ["onnxruntime", "openvino"])
    (row,) = [line for line in text.splitlines() if line.endswith("| valgrind   |")]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "resnet50, batch 1", "2.0", "3.0", "-", "1.50 (1.20)", "-", "valgrind"]


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino"])
def test_peers_agree_with_the_worker(build, tmp_path, peer):
    path = networks.path("light_squeezenet")
    array = networks.sample(path, 2)
    np.save(tmp_path / "in.npy", array)
    outputs = []
    for begin in (lambda: workers.e2bird("e2bird", build / "tools/bench/bench_worker", path, "fp32",
                                         "cpu"),
                  lambda: workers.peer(peer, path, "fp32", 1)):
        worker = begin()
        worker.ask("prepare", 2, tmp_path / "in.npy")
        assert len(worker.ask("run", 2)) == len(worker.ask("run", 2, 3)) == 2
        worker.ask("output", tmp_path / "out.npy")
        outputs.append(np.load(tmp_path / "out.npy"))
        with pytest.raises(workers.Failed, match="there are open, prepare, run and output"):
            worker.ask("fly")
        worker.close()
    np.testing.assert_allclose(*outputs, rtol=1e-3, atol=1e-6)


def test_layers_of_a_network_one_by_one(build, tmp_path):
    layers = networks.layers("mobilenet_v2")
    assert sum(count for _, count, _ in layers) == 52
    assert ("3x3/2 in 96 groups 96-96 of 112x112", 1) in [layer[:2] for layer in layers]
    worker = workers.e2bird("e2bird", build / "tools/bench/bench_worker", layers[0][2], "fp32", "cpu")
    for _, _, path in layers[:3]:
        worker.ask("open", path)
        array = networks.sample(path, 2)
        np.save(tmp_path / "in.npy", array)
        worker.ask("prepare", 2, tmp_path / "in.npy")
        worker.ask("output", tmp_path / "out.npy")
        right = network_compare.Reference(str(path)).run(array)
        assert network_compare.relative_error(np.load(tmp_path / "out.npy"), right) < 1e-5
    with pytest.raises(workers.Failed, match="missing.onnx"):
        worker.ask("open", tmp_path / "missing.onnx")
    with pytest.raises(workers.Failed, match="no model is open"):
        worker.ask("prepare", 2, tmp_path / "in.npy")
    worker.close()


def test_layers_of_a_network_without_convolutions():
    done = subprocess.run([sys.executable, BENCH / "gpu_compare", "--layers", "--device", "cpu",
                           "--modes", "eager", "gemm_2048"], capture_output=True, text=True)
    assert done.returncode == 1 and "gemm_2048 has no convolutions" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variant_can_be_forced(build, tmp_path):
    path = networks.path("light_squeezenet")
    np.save(tmp_path / "in.npy", networks.sample(path, 1))
    worker = workers.e2bird("e2bird", build / "tools/bench/bench_worker", path, "fp32", "cpu",
                            "conv.nonsense")
    with pytest.raises(workers.Failed, match="not the forced variant"):
        worker.ask("prepare", 1, tmp_path / "in.npy")
    worker.close()


def test_a_wrong_shape_is_refused_and_the_worker_goes_on(build, tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((1, 3, 8, 8), np.float32))
    path = networks.path("light_squeezenet")
    worker = workers.e2bird("e2bird", build / "tools/bench/bench_worker", path, "fp32", "cpu")
    for request, text in ((("run", 1), "nothing is prepared"), (("prepare", 0, "x"), "BATCH 1"),
                          (("prepare", 1, tmp_path / "in.npy"), "the input is"),
                          (("run", 0), "expected: run COUNT")):
        with pytest.raises(workers.Failed, match=text):
            worker.ask(*request)
    worker.close()
