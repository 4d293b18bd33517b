"""Clients that are wrong, slow, gone or malicious: each gets a clear answer or a closed connection,
and after each of them the slots are free and the server serves."""

import json
import random
import socket
import struct
import time

import pytest
from conftest import binary_pair, error_of, make_request, pair_document, read_answer

BODY_LIMIT = 1 << 20


@pytest.fixture(autouse=True)
def nothing_is_left(server):
    yield
    server.wait_for_free_slots("pair", 32)
    server.wait_for_free_slots("narrow", 2)
    assert server.infer("pair", pair_document())[0] == 200


def post(model, length, **headers):
    """The head of a request whose body is sent by hand."""
    return make_request(
        "POST", f"/v2/models/{model}/infer", b"", {"Content-Length": str(length), **headers}
    )


def binary_headers(head):
    return {"Inference-Header-Content-Length": str(len(head))}


def changed(**changes):
    document = pair_document()
    document["inputs"][0].update(changes)
    return document


@pytest.mark.parametrize(
    "document, says",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "object"),
        (b"{}", "inputs"),
        (changed(name="x"), 'no input "x"'),
        (changed(datatype="FP64"), "expected FP32"),
        (changed(datatype="BYTES"), "expected FP32"),
        (changed(shape=[1, 5]), "does not fit"),
        (changed(shape=[2, 4]), "differs"),
        (changed(shape=[1000, 4]), "outside"),
        (changed(data=[1, 2, 3]), "3 elements"),
        (changed(data=[1, 2, 3, 4, 5]), "more elements"),
        (changed(data=["a", 2, 3, 4]), "element 0"),
        ({"inputs": pair_document()["inputs"][:1]}, "missing"),
        (pair_document(outputs=[{"name": "x"}]), 'no output "x"'),
        (pair_document(parameters={"sequence_id": 3}), "sequence"),
    ],
)
def test_wrong_requests(server, document, says):
    answer = server.infer("pair", document)
    code = 501 if says == "sequence" else 400
    assert says in error_of(answer, code)


def test_lengths_that_lie(server):
    head, data = binary_pair()
    good = head + data
    for body, headers in (
        (good[:-1], binary_headers(head)),
        (good + b"x", binary_headers(head)),
        (good, {"Inference-Header-Content-Length": str(len(good) + 1)}),
        (good, {"Inference-Header-Content-Length": str(len(head) - 1)}),
        (good, {"Inference-Header-Content-Length": "-1"}),
        (good, {"Inference-Header-Content-Length": "12x"}),
        (good, {"Inference-Header-Content-Length": "99999999999999999999999"}),
        (good, {"Inference-Header-Content-Length": "0"}),
        (good, {}),
        (head, {}),
    ):
        error_of(server.infer("pair", body, headers), 400)
    lying = json.loads(head)
    lying["inputs"][0]["parameters"]["binary_data_size"] = 15
    text = json.dumps(lying).encode()
    error_of(server.infer("pair", text + data, binary_headers(text)), 400)


def test_chunked_body(server):
    head, data = binary_pair()
    body = head + data
    for cut in (1, 7, len(head), len(body)):
        pieces = [body[i : i + cut] for i in range(0, len(body), cut)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        fields = {"Content-Length": None, "Transfer-Encoding": "chunked", **binary_headers(head)}
        request = make_request("POST", "/v2/models/pair/infer", b"", fields)
        assert server.send(request + chunks)[0] == 200


def test_bytes_that_trickle(server):
    head, data = binary_pair()
    request = post("pair", len(head + data), **binary_headers(head)) + head + data
    with server.connect() as sock:
        for i in range(0, len(request), 16):
            sock.sendall(request[i : i + 16])
            time.sleep(0.001)
        assert read_answer(sock)[0] == 200


def test_too_large(server):
    with server.connect() as sock:
        sock.sendall(post("pair", BODY_LIMIT + 1))
        assert "allowed" in error_of(read_answer(sock), 413)
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    fields = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    request = make_request("POST", "/v2/models/pair/infer", b"", fields)
    with server.connect() as sock:
        sock.sendall(request + piece * 18 + b"0\r\n\r\n")
        assert "allowed" in error_of(read_answer(sock), 413)


def test_endless_body_is_cut(server):
    fields = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    with server.connect() as sock:
        sock.sendall(make_request("POST", "/v2/models/pair/infer", b"", fields))
        with pytest.raises(OSError):
            for _ in range(1000):
                sock.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def test_expect_continue(server):
    head, data = binary_pair()
    with server.connect() as sock:
        sock.sendall(post("pair", len(head + data), Expect="100-continue", **binary_headers(head)))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100")
        sock.sendall(head + data)
        assert read_answer(sock)[0] == 200
    with server.connect() as sock:
        sock.sendall(post("none", 1000, Expect="100-continue"))
        error_of(read_answer(sock), 404)


def test_full_pool(server):
    """Slots are taken when the head is there, so requests that stay half-sent hold them."""
    head, data = binary_pair()
    request = post("narrow", len(head + data), **binary_headers(head)) + head
    first, second = server.connect(), server.connect()
    first.sendall(request)
    second.sendall(request)
    server.wait_for_free_slots("narrow", 0)
    answer = server.infer("narrow", pair_document())
    error_of(answer, 503)
    assert int(answer[1]["retry-after"]) > 0
    rejected = server.metric("nv_inference_request_failure", model="narrow", reason="REJECTED")
    assert rejected >= 1
    first.close()
    server.wait_for_free_slots("narrow", 1)
    assert server.infer("narrow", pair_document())[0] == 200
    second.sendall(data)
    assert read_answer(second)[0] == 200
    second.close()


def test_gone_half_way(server):
    head, data = binary_pair(32)
    whole = post("pair", len(head + data), **binary_headers(head)) + head + data
    rng = random.Random(1)
    for _ in range(40):
        with server.connect() as sock:
            sock.sendall(whole[: rng.randrange(1, len(whole))])
            if rng.random() < 0.5:  # gone with a reset
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_gone_before_the_answer(server):
    head, data = binary_pair(8)
    whole = post("pair", len(head + data), **binary_headers(head)) + head + data
    for _ in range(20):
        with server.connect() as sock:
            sock.sendall(whole)


def test_reads_nothing(server):
    """An answer nobody reads holds no slot: it was copied before it was sent."""
    document = {
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0.5]}],
        "parameters": {"binary_data_output": True},
    }
    body = json.dumps(document).encode()
    deaf = []
    for _ in range(3):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(post("slow", len(body)) + body)
        deaf.append(sock)
    deadline = time.monotonic() + 60
    while server.metric("nv_inference_request_success", model="slow") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.wait_for_free_slots("slow", 4)
    assert server.infer("slow", document)[0] == 200
    for sock in deaf:
        sock.close()


def test_pipelined_requests(server):
    one = make_request("POST", "/v2/models/pair/infer", json.dumps(pair_document()).encode())
    with server.connect() as sock:
        sock.sendall(one * 5 + make_request("GET", "/v2", headers={"Connection": "close"}))
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 200") == 6


def test_huge_header(server):
    for headers in ({"X": "y" * 300_000}, {f"X{i}": "y" * 100 for i in range(3000)}):
        request = make_request("GET", "/v2", headers=headers)
        with server.connect() as sock:
            try:
                sock.sendall(request)
                assert read_answer(sock)[0] in (413, 414, 431)
            except ConnectionError:
                pass  # cut off while it still wrote: that is an answer too


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v2/models/pair/infer HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /v2/models/pair/infer HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_not_http(server, data):
    with server.connect() as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(10)
        try:
            answer = sock.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5"))


def test_noise(server):
    """Good requests with a few bytes changed."""
    head, data = binary_pair()
    whole = post("pair", len(head + data), Connection="close", **binary_headers(head)) + head + data
    rng = random.Random(7)
    for _ in range(150):
        noisy = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        with server.connect() as sock:
            try:
                sock.sendall(noisy)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except ConnectionError:
                pass
