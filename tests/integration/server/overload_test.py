"""Several times more requests than the device can serve, at times that do not wait for answers, with
clients that leave midway. Nothing is measured in time: every request that stays is answered once and
rightly, or refused; memory comes back; afterwards the server is as before."""

import asyncio
import json
import random
import socket
import struct

import pytest
from conftest import Server, make_request

SLOTS = {"hurried": 16, "patient": 64}
COUNT = 500
INTERVAL_S = 0.006  # some 30 to 40 ms are one sample's work
TEXT = """
server: {port: 0, threads: 2, drain_seconds: DRAIN}
device: {select: cpu}
models:
  - {name: hurried, path: long.onnx, slots: 16, batch_sizes: [1, 2, 4], target_ms: 400}
  - {name: patient, path: long.onnx, slots: 64, batch_sizes: [1, 2, 4]}
"""


@pytest.fixture
def server(folder):
    server = Server(folder, text=TEXT)
    yield server
    assert server.stop() == 0, "".join(server.lines)


def document(number, x):
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [x]}
    return json.dumps({"id": str(number), "inputs": [tensor]}).encode()


def request(model, number, x):
    return make_request(
        "POST", f"/v2/models/{model}/infer", document(number, x), {"Connection": "close"}
    )


async def ask(server, data):
    """All that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def leave(server, data, rng):
    """Send some of it, or all, and go, politely or not, now or when it may be running."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data[: rng.choice([1, 60, len(data) - 1, len(data), len(data)])])
    await asyncio.sleep(rng.choice([0, 0.02, 0.1]))
    if rng.random() < 0.5:  # a reset instead of an end
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def wave(server, seed):
    """Returns {number: (x, answer)} of those that stay, and how many left."""
    rng = random.Random(seed)
    staying, leaving = {}, []
    for number in range(COUNT):
        x = rng.randrange(-1000, 1000)
        data = request(rng.choice(list(SLOTS)), number, x)
        if rng.random() < 0.2:
            leaving.append(asyncio.create_task(leave(server, data, rng)))
        else:
            staying[number] = x, asyncio.create_task(ask(server, data))
        await asyncio.sleep(INTERVAL_S * rng.expovariate(1))
    answers = {number: (x, await answer) for number, (x, answer) in staying.items()}
    await asyncio.gather(*leaving)
    return answers, len(leaving)


def parse(answer):
    """(code, headers, document) of one whole answer, with nothing behind it."""
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert len(body) == int(headers["content-length"])
    return int(lines[0].split()[1]), headers, json.loads(body)


def check_answers(answers):
    """Returns how many were answered, how many refused, and the longest Retry-After in seconds."""
    codes, longest = [], 0
    for number, (x, answer) in answers.items():
        code, headers, content = parse(answer)
        codes.append(code)
        if code == 200:
            assert content["id"] == str(number)
            assert 0 < content["outputs"][0]["data"][0] - x < 1  # the mean of sigmoids
        else:
            assert code == 503 and "\n" not in content["error"], content
            assert 1 <= int(headers["retry-after"]) <= 60
            longest = max(longest, int(headers["retry-after"]))
    return codes.count(200), codes.count(503), longest


def count(server, name, **labels):
    return sum(server.metric(name, model=model, **labels) for model in SLOTS)


def test_overload(server):
    memory, success = [], 0
    files = server.descriptors()
    for seed in (1, 2, 3):
        print(f"seed {seed}")
        answers, left = asyncio.run(wave(server, seed))
        answered, refused, longest_s = check_answers(answers)
        print(f"{answered} answered, {refused} refused, {left} left, Retry-After {longest_s}")
        assert answered > 50 and refused > 50 and longest_s > 1
        for model, slots in SLOTS.items():
            server.wait_for_free_slots(model, slots)
        gained = count(server, "nv_inference_request_success") - success
        success += gained
        assert answered <= gained <= answered + left
        memory.append(server.resident_bytes())
    assert memory[2] - memory[0] < 8 << 20, memory
    assert server.descriptors() <= files + 2
    assert count(server, "nv_inference_pending_request_count") == 0
    # both ways of refusal have been met: no slot, and no hope to keep the target
    assert server.metric("e2b_refused_samples", model="hurried") > 0
    assert server.metric("nv_inference_request_failure", model="patient", reason="REJECTED") > 0
    for number in range(20):
        model = list(SLOTS)[number % 2]
        assert server.infer(model, document(number, 0))[0] == 200
