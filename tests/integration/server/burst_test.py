"""A burst of ten times what the device can do, then calm. What is refused is told at once, what is
accepted keeps its target, memory stays as it was, and within a second the server is as before. The
figures are printed; other work on the machine takes part in them, so what is asserted is wide."""

import asyncio
import json
import re
import statistics
import time

import pytest
from conftest import Server, make_request

TARGET_MS = 600
SECONDS = 3
TEXT = f"""
server: {{port: 0, threads: 4, drain_seconds: DRAIN}}
device: {{select: cpu}}
models:
  - {{name: long, path: long.onnx, slots: 64, batch_sizes: [1, 2, 4], target_ms: {TARGET_MS}}}
"""


@pytest.fixture
def server(folder):
    server = Server(folder, text=TEXT)
    yield server
    assert server.stop() == 0, "".join(server.lines)


def document(x):
    return {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [x]}]}


async def read_one(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(re.search(r"content-length: (\d+)", head).group(1))
    await reader.readexactly(length)
    return int(head.split()[1]), head


class Client:
    """Connections that are kept, so that none is opened during the burst that was open before."""

    def __init__(self, port):
        self.port = port
        self.idle = []

    async def ask(self, data):
        """(status, head, seconds)"""
        if self.idle:
            reader, writer = self.idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        start = time.monotonic()
        writer.write(data)
        status, head = await read_one(reader)
        seconds = time.monotonic() - start
        self.idle.append((reader, writer))
        return status, head, seconds

    def close(self):
        for _, writer in self.idle:
            writer.close()


async def alone(client, data, count):
    times = []
    for _ in range(count):
        status, _, seconds = await client.ask(data)
        assert status == 200
        times.append(seconds)
    return statistics.median(times)


async def burst(client, data, interval_s):
    """Asks at fixed times, whatever the answers do; returns them and the time of the last one."""
    asked = []
    start = time.monotonic()
    while (now := time.monotonic() - start) < SECONDS:
        asked.append(asyncio.create_task(client.ask(data)))
        await asyncio.sleep(max(0, len(asked) * interval_s - now))
    return await asyncio.gather(*asked)


async def recover(client, data):
    """Seconds until a request is answered; the server may still be at what it accepted."""
    start = time.monotonic()
    while True:
        status, _, _ = await client.ask(data)
        if status == 200:
            return time.monotonic() - start
        await asyncio.sleep(0.01)


async def play(server):
    data = make_request("POST", "/v2/models/long/infer", json.dumps(document(1)).encode())
    client = Client(server.port)
    alone_s = await alone(client, data, 8)
    before = server.resident_bytes()
    answers = await burst(client, data, alone_s / 10)
    recovered_s = await recover(client, data)
    growth = server.resident_bytes() - before
    after_s = await alone(client, data, 8)
    client.close()
    return alone_s, answers, recovered_s, growth, after_s


def test_burst(server):
    alone_s, answers, recovered_s, growth, after_s = asyncio.run(play(server))
    refused = sorted(seconds for status, _, seconds in answers if status == 503)
    accepted = [seconds for status, _, seconds in answers if status == 200]
    assert len(refused) + len(accepted) == len(answers)
    in_time = sum(seconds <= TARGET_MS / 1000 for seconds in accepted)
    print(
        f"alone {1000 * alone_s:.1f} ms, after it {1000 * after_s:.1f} ms; {len(answers)} asked, "
        f"{len(accepted)} accepted, {in_time} in time; refused after {1000 * refused[len(refused) // 2]:.2f} ms "
        f"(median), {1000 * refused[len(refused) * 99 // 100]:.2f} ms (99 %); "
        f"recovered in {recovered_s:.3f} s, {growth >> 10} KiB more"
    )
    assert len(refused) > len(accepted) > 10
    assert refused[len(refused) // 2] < TARGET_MS / 4000
    assert in_time > 0.8 * len(accepted)
    assert recovered_s < 1
    assert growth < 16 << 20
    assert after_s < 4 * alone_s
