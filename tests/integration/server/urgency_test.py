"""How urgent a request is: the parameters `priority` and `timeout` of the protocol, sent by its stock
client to a device that has a second's work queued."""

import threading

import numpy as np
import pytest
import tritonclient.http as triton
from conftest import Server, error_of
from tritonclient.utils import InferenceServerException

SLOTS = 64
TEXT = """
server: {port: 0, threads: 2, drain_seconds: DRAIN}
device: {select: cpu}
scheduler: {options: {admission: ADMISSION}}
models:
  - {name: long, path: long.onnx, slots: 64, batch_sizes: [1]}
  - {name: first, path: long.onnx, slots: 64, batch_sizes: [1], priority: 7}
"""


def serve(folder, admission):
    server = Server(folder, text=TEXT.replace("ADMISSION", str(admission)))
    yield server
    assert server.stop() == 0, "".join(server.lines)


@pytest.fixture(scope="module")
def server(folder):
    yield from serve(folder, 1)


@pytest.fixture(scope="module")
def credulous(folder):
    """A server that takes what it cannot serve in time."""
    yield from serve(folder, 0)


class Crowd:
    """Requests that hold slots at the same time, and the order in which they are answered."""

    def __init__(self, server):
        self.server = server
        self.order = []
        self.answers = {}
        self.threads = []

    def send(self, name, samples=1, model="long", **parameters):
        free = self.server.metric("e2b_pool_free_slots", model=model)
        self.threads.append(
            threading.Thread(target=self._ask, args=(name, samples, model, parameters))
        )
        self.threads[-1].start()
        self.server.wait_for_free_slots(model, free - samples)

    def ask(self, name, **parameters):
        """One that is not waited for with the others."""
        self._ask(name, 1, "long", parameters)

    def _ask(self, name, samples, model, parameters):
        x = triton.InferInput("x", [samples, 1], "FP32")
        x.set_data_from_numpy(np.zeros((samples, 1), np.float32))
        with triton.InferenceServerClient(self.server.url, network_timeout=60) as client:
            try:
                self.answers[name] = client.infer(model, [x], **parameters)
            except InferenceServerException as error:
                self.answers[name] = error
            self.order.append(name)

    def wait(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        for model in ("long", "first"):
            self.server.wait_for_free_slots(model, SLOTS)

    def refusal(self, name):
        error = self.answers[name]
        assert isinstance(error, InferenceServerException), error
        assert error.status() == "503" and "\n" not in error.message()
        return error.message()


def test_priority_overtakes(server):
    crowd = Crowd(server)
    crowd.send("crowd", samples=40)
    crowd.send("usual")
    crowd.send("low", priority=2000)
    crowd.send("high", priority=1)
    crowd.wait()
    assert crowd.order == ["high", "crowd", "usual", "low"]
    assert all(answer.as_numpy("y").shape[1] == 1 for answer in crowd.answers.values())


def test_priority_of_a_model_is_that_of_its_requests(server):
    crowd = Crowd(server)
    crowd.send("crowd", samples=40, priority=1)
    crowd.send("lower", model="first", priority=101)
    crowd.send("usual")
    crowd.send("first", model="first")
    crowd.send("zero", model="first", priority=0)
    crowd.send("higher", priority=6)
    crowd.wait()
    # The models' batches may run side by side, and answers of one batch come in any order.
    assert [name for name in crowd.order if name in ("crowd", "higher", "usual")] == [
        "crowd", "higher", "usual"]
    assert [name for name in crowd.order if name in ("first", "zero", "lower")][-1] == "lower"


def test_timeout_that_suffices(server):
    crowd = Crowd(server)
    crowd.send("crowd", samples=4)
    crowd.ask("patient", timeout=60_000_000)
    crowd.wait()
    assert crowd.answers["patient"].as_numpy("y").shape == (1, 1)


def test_timeout_is_refused_on_arrival(server):
    """What is queued takes longer: the answer comes before that, and tells when to come again."""
    crowd = Crowd(server)
    crowd.send("crowd", samples=40)
    crowd.ask("hurried", timeout=100_000)
    answer = server.infer("long", document({"timeout": 100_000}))
    assert crowd.order == ["hurried"]
    assert "target cannot be met" in crowd.refusal("hurried")
    assert "target cannot be met" in error_of(answer, 503)
    assert 1 <= int(answer[1]["retry-after"]) <= 60
    crowd.wait()


def test_timeout_drops_what_waited_too_long(credulous):
    crowd = Crowd(credulous)
    crowd.send("crowd", samples=40)
    crowd.send("dropped", timeout=300_000, priority=200)
    crowd.wait()
    assert crowd.order == ["dropped", "crowd"]
    assert "deadline cannot be met" in crowd.refusal("dropped")
    refused = credulous.metric(
        "e2b_refused_samples", model="long", reason="deadline cannot be met"
    )
    assert refused == 1


def document(parameters):
    x = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0]}
    return {"inputs": [x], "parameters": parameters}


@pytest.mark.parametrize("name", ["priority", "timeout"])
@pytest.mark.parametrize("value", [-1, 1.5, "1", None, True, [1], 1 << 62, 1 << 64])
def test_wrong_values_are_named(server, name, value):
    text = error_of(server.infer("long", document({name: value})), 400)
    assert f'"{name}"' in text or "not JSON" in text
