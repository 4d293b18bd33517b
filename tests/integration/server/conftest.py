"""A real server with small models, and clients of every kind."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

COMMAND = os.environ.get("E2B_COMMAND", "build/tools/e2bird")
FLOAT = TensorProto.FLOAT
WIDE = 500_000  # elements of a sample of "slow"


def save(path, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def make_pair(path):
    """sum = a + b, act = relu(a)"""
    save(
        path,
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Relu", ["a"], ["act"]),
        ],
        [("a", ["N", 4]), ("b", ["N", 4])],
        [("sum", ["N", 4]), ("act", ["N", 4])],
    )


def make_pixels(path):
    """scores = mean of each colour"""
    save(
        path,
        [
            helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["scores"]),
        ],
        [("image", ["N", 3, 16, 16])],
        [("scores", ["N", 3])],
    )


def make_fixed(path):
    save(path, [helper.make_node("Add", ["x", "x"], ["y"])], [("x", [2, 3])], [("y", [2, 3])])


def make_slow(path):
    """Many passes over a wide tensor: a small request, a long time, a large answer."""
    nodes = [helper.make_node("Add", ["x", "row"], ["v0"])]
    steps = 60
    for i in range(steps):
        out = "y" if i + 1 == steps else f"v{i + 1}"
        kind = "Sigmoid" if i % 2 else "Tanh"
        nodes.append(helper.make_node(kind, [f"v{i}"], [out]))
    row = np.linspace(-1, 1, WIDE, dtype=np.float32).reshape(1, WIDE)
    save(path, nodes, [("x", ["N", 1])], [("y", ["N", WIDE])], [("row", row)])


def make_long(path):
    """A small request, a long time, a small answer: x + the mean of tanh(...(x + row))."""
    width, steps = 1_000_000, 40
    nodes = [helper.make_node("Add", ["x", "row"], ["v0"])]
    for i in range(steps):
        nodes.append(helper.make_node("Sigmoid" if i % 2 else "Tanh", [f"v{i}"], [f"v{i + 1}"]))
    nodes.append(helper.make_node("ReduceMean", [f"v{steps}"], ["mean"], axes=[1]))
    nodes.append(helper.make_node("Add", ["mean", "x"], ["y"]))
    row = np.linspace(-1, 1, width, dtype=np.float32).reshape(1, width)
    save(path, nodes, [("x", ["N", 1])], [("y", ["N", 1])], [("row", row)])


CONFIG = """
server: {address: 127.0.0.1, port: 0, threads: 2, max_body_mb: 1, drain_seconds: DRAIN}
device: {select: cpu}
models:
  - {name: pair, path: pair.onnx, slots: 32, batch_sizes: [1, 4, 8]}
  - {name: fixed, path: fixed.onnx, slots: 8, batch_sizes: [1]}
  - {name: narrow, path: pair.onnx, slots: 2, batch_sizes: [1]}
  - {name: slow, path: slow.onnx, slots: 4, batch_sizes: [1]}
  - name: pixels
    path: pixels.onnx
    slots: 16
    batch_sizes: [1, 4]
    labels: labels.txt
    image: {input: image, mean: 0, std: 1, resize_px: 24}
"""


# AddressSanitizer keeps what was freed: little of it, so that growth means a leak.
LITTLE_KEPT = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"


class Server:
    """`e2bird serve` as a child process."""

    def __init__(self, folder, drain_s=10, text=CONFIG, prefix=(), environment=None, options=()):
        """prefix: a command to run it under; environment: variables to change; options: of serve."""
        config = folder / f"drain_{drain_s}.yaml"
        config.write_text(text.replace("DRAIN", str(drain_s)))
        self.lines = []
        self.port = None
        sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:{LITTLE_KEPT}".lstrip(":")
        self.child = subprocess.Popen(
            [*prefix, COMMAND, "serve", str(config), *options],
            stderr=subprocess.PIPE,
            env={**os.environ, "ASAN_OPTIONS": sanitizer, **(environment or {})},
        )
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.ready.wait(240) or self.port is None:
            self.child.kill()
            raise RuntimeError("no server:\n" + "".join(self.lines))

    def _read(self):
        for line in self.child.stderr:
            self.lines.append(line.decode(errors="replace"))
            found = re.search(r"ready on http://[^ ]*:(\d+)", self.lines[-1])
            if found:
                self.port = int(found.group(1))
                self.ready.set()
        self.ready.set()

    @property
    def url(self):
        return f"127.0.0.1:{self.port}"

    def resident_bytes(self):
        with open(f"/proc/{self.child.pid}/status") as status:
            return int(status.read().split("VmRSS:")[1].split()[0]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def stop(self, patience_s=30):
        """Ask to stop; returns the exit status."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(self, data):
        """Raw bytes in, one raw answer out: (code, headers, body)."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_answer(sock)

    def ask(self, method, path, body=b"", headers=None):
        return self.send(make_request(method, path, body, headers))

    def infer(self, model, document, headers=None):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.ask("POST", f"/v2/models/{model}/infer", body, headers)

    def metric(self, name, **labels):
        from prometheus_client.parser import text_string_to_metric_families

        code, _, body = self.ask("GET", "/metrics")
        assert code == 200
        for family in text_string_to_metric_families(body.decode()):
            for sample in family.samples:
                wanted = labels.items() <= sample.labels.items()
                if wanted and sample.name.removesuffix("_total") == name:
                    return sample.value
        raise KeyError((name, labels))

    def wait_for_free_slots(self, model, count):
        deadline = time.monotonic() + 15
        while self.metric("e2b_pool_free_slots", model=model) != count:
            assert time.monotonic() < deadline, f"slots of {model} are not given back"
            time.sleep(0.02)


def make_request(method, path, body=b"", headers=None):
    fields = {"Host": "test", "Content-Length": str(len(body)), **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return head.encode() + b"\r\n" + body


def read_answer(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {data!r}")
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.strip().lower()] = value.strip()
    while len(body) < int(headers.get("content-length", 0)):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("closed in the body")
        body += piece
    return int(lines[0].split()[1]), headers, body


def error_of(answer, code):
    """Check that it is an error of the protocol and return its text."""
    got, headers, body = answer
    assert got == code, body
    assert headers["content-type"] == "application/json"
    text = json.loads(body)["error"]
    assert text and "\n" not in text
    return text


def pair_document(samples=1, **more):
    def tensor(name, value):
        return {
            "name": name,
            "shape": [samples, 4],
            "datatype": "FP32",
            "data": [value] * (4 * samples),
        }

    return {"inputs": [tensor("a", -1.5), tensor("b", 2)], **more}


def binary_pair(samples=1):
    """(JSON head, tensors) with both inputs in binary."""
    document = pair_document(samples)
    for tensor in document["inputs"]:
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": 16 * samples}
    a = np.arange(4 * samples, dtype="<f4") - 3
    b = np.full(4 * samples, 10, dtype="<f4")
    return json.dumps(document).encode(), a.tobytes() + b.tobytes()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_pair(folder / "pair.onnx")
    make_pixels(folder / "pixels.onnx")
    make_fixed(folder / "fixed.onnx")
    make_slow(folder / "slow.onnx")
    make_long(folder / "long.onnx")
    (folder / "labels.txt").write_text("red\ngreen\nblue\n")
    return folder


@pytest.fixture(scope="session")
def server(folder):
    server = Server(folder)
    yield server
    assert server.stop() == 0, "".join(server.lines)


@pytest.fixture
def own_server(folder):
    """Makes servers that a test may stop."""
    servers = []

    def make(**options):
        servers.append(Server(folder, **options))
        return servers[-1]

    yield make
    for server in servers:
        if server.child.poll() is None:
            server.child.kill()
            server.child.wait()
