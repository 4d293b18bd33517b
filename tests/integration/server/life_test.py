"""Start, drain and stop."""

import json
import os
import subprocess
import threading
import time

from conftest import binary_pair, error_of, make_request, pair_document, read_answer


def slow_request():
    document = {
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0.5]}],
        "parameters": {"binary_data_output": True},
    }
    return make_request("POST", "/v2/models/slow/infer", json.dumps(document).encode())


def refuses_connections(server):
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


def wait_until(condition, patience_s=10):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_stop_at_rest(own_server):
    server = own_server()
    assert server.infer("pair", pair_document())[0] == 200
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 5


def test_stop_with_idle_connections(own_server):
    server = own_server()
    with server.connect() as idle, server.connect() as used:
        used.sendall(make_request("GET", "/v2"))
        assert read_answer(used)[0] == 200
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 5
        assert idle.recv(10) == b""


def test_drain_answers_what_is_in_flight(own_server):
    server = own_server()
    kept = server.connect()
    kept.sendall(make_request("GET", "/v2/health/ready"))
    assert read_answer(kept)[0] == 200
    # half-sent when the drain begins: it may end
    head, data = binary_pair()
    half = server.connect()
    fields = {
        "Content-Length": str(len(head + data)),
        "Inference-Header-Content-Length": str(len(head)),
    }
    half.sendall(make_request("POST", "/v2/models/pair/infer", b"", fields) + head)
    server.wait_for_free_slots("pair", 31)
    busy = server.connect()
    busy.sendall(slow_request())
    server.wait_for_free_slots("slow", 3)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    wait_until(lambda: refuses_connections(server))
    kept.sendall(make_request("GET", "/v2/health/ready"))
    answer = read_answer(kept)
    assert answer[0] == 400 and json.loads(answer[2]) == {"ready": False}
    half.sendall(data)
    answer = read_answer(half)
    assert answer[0] == 200 and answer[1]["connection"].lower() == "close"
    assert read_answer(busy)[0] == 200
    stopper.join(30)
    assert server.child.returncode == 0, "".join(server.lines)


def test_drain_refuses_new_inference(own_server):
    server = own_server()
    kept = server.connect()
    kept.sendall(make_request("GET", "/v2"))
    assert read_answer(kept)[0] == 200
    holder = server.connect()  # keeps the drain from ending
    holder.sendall(make_request("POST", "/v2/models/pair/infer", b"", {"Content-Length": "10"}))
    wait_until(lambda: server.metric("e2b_http_open_requests") >= 2)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    wait_until(lambda: refuses_connections(server))
    body = json.dumps(pair_document()).encode()
    kept.sendall(make_request("POST", "/v2/models/pair/infer", body))
    answer = read_answer(kept)
    error_of(answer, 503)
    assert answer[1]["connection"].lower() == "close" and "retry-after" in answer[1]
    holder.close()
    stopper.join(30)
    assert server.child.returncode == 0, "".join(server.lines)


def test_drain_ends_at_its_deadline(own_server):
    server = own_server(drain_s=1)
    holder = server.connect()
    holder.sendall(make_request("POST", "/v2/models/pair/infer", b"", {"Content-Length": "10"}))
    wait_until(lambda: server.metric("e2b_http_open_requests") >= 2)
    begin = time.monotonic()
    assert server.stop() == 0
    assert 0.9 < time.monotonic() - begin < 10
    assert holder.recv(100) == b""


def test_stop_under_load(own_server):
    """Every request is answered or refused in order; none hangs, and nothing crashes."""
    server = own_server()
    codes, running = [], True

    def client():
        while running:
            try:
                codes.append(server.infer("pair", pair_document(2))[0])
            except (ConnectionError, TimeoutError) as error:
                codes.append(type(error).__name__)
                return

    threads = [threading.Thread(target=client) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: codes.count(200) > 50, 30)
    assert server.stop() == 0, "".join(server.lines)
    running = False
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    refusals = {"ConnectionRefusedError", "ConnectionResetError", "ConnectionError"}
    assert set(codes) <= {200, 503} | refusals


def test_port_taken(own_server, folder):
    server = own_server()
    config = folder / "taken.yaml"
    text = (folder / "drain_10.yaml").read_text().replace("port: 0", f"port: {server.port}")
    config.write_text(text)
    command = os.environ.get("E2B_COMMAND", "build/tools/e2bird")
    result = subprocess.run(
        [command, "serve", str(config)], capture_output=True, text=True, timeout=240
    )
    assert result.returncode != 0 and "already in use" in result.stderr
