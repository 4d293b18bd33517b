"""A server under load, under attack and told to stop: nothing is lost and nothing grows."""

import json
import signal
import subprocess
import threading
import time

from conftest import COMMAND
from server.conftest import make_request, pair_document, read_answer

TEXT = """
server: {port: 0, threads: 2, drain_seconds: DRAIN}
device: {select: cpu}
models:
  - {name: pair, path: pair.onnx, slots: 32, batch_sizes: [1, 4, 8]}
"""


def ask_many(server, count, bodies):
    """One connection, `count` requests; returns how often each code came."""
    codes = {}
    with server.connect() as sock:
        for i in range(count):
            sock.sendall(bodies[i % len(bodies)])
            code = read_answer(sock)[0]
            codes[code] = codes.get(code, 0) + 1
    return codes


def requests():
    def infer(document, model="pair"):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return make_request("POST", f"/v2/models/{model}/infer", body)

    good = infer(pair_document(2))
    wrong = pair_document()
    wrong["inputs"][0]["shape"] = [1, 5]
    bad = [infer(b"{"), infer(wrong), infer(pair_document(), "none")]
    return [good, good, bad[0], good, bad[1], good, bad[2]]


def test_memory_and_descriptors_stay_flat(serve):
    server = serve(TEXT)
    ask_many(server, 1000, requests())
    memory, files = server.resident_bytes(), server.descriptors()
    for _ in range(10):
        codes = ask_many(server, 500, requests())
        assert codes.keys() == {200, 400, 404} and codes[200] > 250
    server.wait_for_free_slots("pair", 32)
    assert server.resident_bytes() - memory < 4 << 20
    assert server.descriptors() <= files + 2
    assert server.stop() == 0


def test_many_slow_clients(serve):
    """200 clients that stop in the head hold no slot; others are answered."""
    server = serve(TEXT)
    request = make_request("POST", "/v2/models/pair/infer", json.dumps(pair_document()).encode())
    files = server.descriptors()
    slow = [server.connect() for _ in range(200)]
    for i, sock in enumerate(slow):
        sock.sendall(request[: 10 + i % 20])
    for _ in range(20):
        assert server.infer("pair", pair_document())[0] == 200
    assert server.metric("e2b_pool_free_slots", model="pair") == 32
    for i, sock in enumerate(slow):  # they were only slow
        sock.sendall(request[10 + i % 20 :])
    codes = [read_answer(sock)[0] for sock in slow]
    assert set(codes) <= {200, 503} and codes.count(200) >= 32
    for sock in slow:
        sock.close()
    deadline = time.monotonic() + 20
    while server.descriptors() > files + 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.stop() == 0


def test_stop_while_loading(folder):
    config = folder / "loading.yaml"
    config.write_text("server: {port: 0}\ndevice: {select: cpu}\n"
                      "models: [{name: slow, path: slow.onnx, slots: 32}]\n")
    for delay in (0, 0.1, 0.3, 0.6):
        child = subprocess.Popen([COMMAND, "serve", str(config)], stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) in (0, -signal.SIGTERM)


def test_stop_under_load_loses_no_accepted_request(serve):
    """Each request that was sent whole before the server was told to stop is answered."""
    server = serve(TEXT)
    lock, stopped, sent, lost = threading.Lock(), threading.Event(), [0], []
    body = json.dumps(pair_document(2)).encode()
    request = make_request("POST", "/v2/models/pair/infer", body)

    def client():
        with server.connect() as sock:
            while not stopped.is_set():
                with lock:
                    if stopped.is_set():
                        return
                    sock.sendall(request)
                    sent[0] += 1
                try:
                    answer = read_answer(sock)
                except ConnectionError as error:
                    lost.append(error)
                    return
                if answer[1].get("connection", "").lower() == "close":
                    return
                assert answer[0] in (200, 503)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    while sent[0] < 300:
        time.sleep(0.01)
    with lock:
        stopped.set()
        server.child.send_signal(signal.SIGTERM)
    assert server.child.wait(30) == 0
    for thread in clients:
        thread.join(20)
        assert not thread.is_alive()
    assert not lost, lost
