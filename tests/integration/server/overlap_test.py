"""Copies to the device, batches and copies back run side by side, as the device's own times in a
trace tell: requests carry a few megabytes each way and come from several clients at once."""

import json
import os
import threading

import numpy as np
import pytest
import tritonclient.http as triton
from conftest import Server, helper, save

WIDTH = 500_000
TEXT = """
server: {port: 0, threads: 2, drain_seconds: DRAIN}
device: {select: cpu}
models: [{name: wide, path: wide.onnx, slots: 16, batch_sizes: [1, 2], instances: [2, 1]}]
"""


def make_wide(path):
    nodes = [helper.make_node("Sigmoid" if i % 2 else "Tanh", [f"v{i}"], [f"v{i + 1}"])
             for i in range(12)]
    save(path, nodes, [("v0", ["N", WIDTH])], [("v12", ["N", WIDTH])])


def ask_many(server, count):
    x = triton.InferInput("v0", [1, WIDTH], "FP32")
    x.set_data_from_numpy(np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, WIDTH))
    wanted = [triton.InferRequestedOutput("v12", binary_data=True)]
    with triton.InferenceServerClient(server.url) as client:
        for _ in range(count):
            assert client.infer("wide", [x], outputs=wanted).as_numpy("v12").shape == (1, WIDTH)


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """{category and name: [(begin, end, slots)]} of 120 requests from six clients, in us."""
    folder = tmp_path_factory.mktemp("overlap")
    make_wide(folder / "wide.onnx")
    server = Server(folder, text=TEXT, options=["--trace", str(folder / "trace.json")])
    clients = [threading.Thread(target=ask_many, args=(server, 20)) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert server.stop() == 0, "".join(server.lines)
    found = {"in": [], "out": [], "batch": []}
    for event in json.loads((folder / "trace.json").read_text())["traceEvents"]:
        if event.get("cat") in ("transfer", "batch"):
            kind = "batch" if event["cat"] == "batch" else event["name"]
            first, count = event["args"]["first"], event["args"]["count"]
            span = event["ts"], event["ts"] + event["dur"], set(range(first, first + count))
            found[kind].append(span)
    return found


def overlapping(some, others):
    """Pairs of different requests that were on the device at the same time."""
    return sum(a[0] < b[1] and b[0] < a[1] and not a[2] & b[2] for a in some for b in others)


def test_every_copy_and_batch_is_recorded(spans):
    assert sum(len(copy[2]) for copy in spans["in"]) == 120
    assert sum(len(batch[2]) for batch in spans["batch"]) == 120
    assert sum(len(copy[2]) for copy in spans["out"]) == 120
    assert all(begin < end for kind in spans.values() for begin, end, _ in kind)


@pytest.mark.skipif(os.cpu_count() < 2, reason="one core does one thing at a time")
@pytest.mark.parametrize("way", ["in", "out"])
def test_copies_run_beside_batches_of_other_requests(spans, way):
    together = overlapping(spans[way], spans["batch"])
    print(f"{together} pairs of a copy {way} and a batch at the same time")
    assert together > 10
