"""The Open Inference Protocol, by the field's stock client and by hand."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.http as triton
from conftest import binary_pair, error_of, pair_document
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(server):
    client = triton.InferenceServerClient(server.url, concurrency=8)
    yield client
    client.close()


def tensor(name, values, binary=True):
    result = triton.InferInput(name, list(values.shape), "FP32")
    result.set_data_from_numpy(values, binary_data=binary)
    return result


def test_health_and_descriptions(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("pair") and client.is_model_ready("pair", "1")
    about = client.get_server_metadata()
    assert about["name"] == "e2bird" and "binary_tensor_data" in about["extensions"]
    pair = client.get_model_metadata("pair")
    assert pair["versions"] == ["1"]
    assert pair["inputs"] == [
        {"name": "a", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "b", "datatype": "FP32", "shape": [-1, 4]},
    ]
    fixed = client.get_model_metadata("fixed")
    assert fixed["inputs"][0]["shape"] == [2, 3]
    pixels = client.get_model_metadata("pixels")
    assert pixels["inputs"][0] == {"name": "image", "datatype": "UINT8", "shape": [-1, 16, 16, 3]}
    config = client.get_model_config("pair")
    assert config["max_batch_size"] > 0 and config["input"][0]["dims"] == [4]
    assert client.get_model_config("fixed")["max_batch_size"] == 0
    index = client.get_model_repository_index()
    assert {row["name"] for row in index} >= {"pair", "fixed", "pixels"}
    assert all(row["state"] == "READY" for row in index)


@pytest.mark.parametrize("samples", [1, 3, 8, 13, 32])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer(client, samples, binary_in, binary_out):
    rng = np.random.default_rng(samples)
    a = rng.standard_normal((samples, 4)).astype(np.float32)
    b = rng.standard_normal((samples, 4)).astype(np.float32)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("act", "sum")]
    result = client.infer(
        "pair", [tensor("b", b, binary_in), tensor("a", a, binary_in)], outputs=outputs,
        request_id="q 7",
    )
    np.testing.assert_allclose(result.as_numpy("sum"), a + b, rtol=1e-6)
    np.testing.assert_array_equal(result.as_numpy("act"), np.maximum(a, 0))
    answer = result.get_response()
    assert answer["id"] == "q 7" and answer["model_name"] == "pair"
    assert [output["name"] for output in answer["outputs"]] == ["act", "sum"]


def test_no_outputs_named_means_all_in_binary(client):
    ones = np.ones((2, 4), np.float32)
    result = client.infer("pair", [tensor("a", ones), tensor("b", ones)])
    np.testing.assert_array_equal(result.as_numpy("sum"), ones * 2)
    np.testing.assert_array_equal(result.as_numpy("act"), ones)


def test_mixed_json_and_binary(client):
    a, b = np.ones((2, 4), np.float32), np.full((2, 4), 3, np.float32)
    for first, second in ((True, False), (False, True)):
        result = client.infer("pair", [tensor("a", a, first), tensor("b", b, second)])
        np.testing.assert_array_equal(result.as_numpy("sum"), a + b)


def test_fixed_batch(client):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(client.infer("fixed", [tensor("x", x)]).as_numpy("y"), 2 * x)
    with pytest.raises(InferenceServerException, match="does not fit"):
        client.infer("fixed", [tensor("x", x[:1])])


def test_classification(client):
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    pixels[0, ..., 1] = 200
    pixels[1, ..., 2] = 100
    image = triton.InferInput("image", list(pixels.shape), "UINT8")
    image.set_data_from_numpy(pixels)
    for binary in (True, False):
        output = triton.InferRequestedOutput("scores", binary_data=binary, class_count=2)
        rows = client.infer("pixels", [image], outputs=[output]).as_numpy("scores")
        assert rows.shape == (2, 2)
        best = [cell.decode() if isinstance(cell, bytes) else cell for cell in rows[:, 0]]
        assert best[0].endswith(":1:green") and best[1].endswith(":2:blue")
        assert abs(float(best[0].split(":")[0]) - 200) < 0.01


def test_concurrent(client):
    """Many requests at once: each gets its own answer."""
    handles = []
    for i in range(60):
        a = np.full((1, 4), i, np.float32)
        handles.append((a, client.async_infer("pair", [tensor("a", a), tensor("b", a)])))
        if len(handles) == 8:
            for value, handle in handles:
                np.testing.assert_array_equal(handle.get_result().as_numpy("sum"), 2 * value)
            handles = []


def test_concurrent_threads(server):
    def one(worker):
        with triton.InferenceServerClient(server.url) as own:
            for i in range(25):
                a = np.full((1 + worker % 2, 4), worker * 100 + i, np.float32)
                result = own.infer("pair", [tensor("a", a), tensor("b", -a)])
                assert not result.as_numpy("sum").any()
                np.testing.assert_array_equal(result.as_numpy("act"), a)

    with ThreadPoolExecutor(6) as workers:
        list(workers.map(one, range(6)))


def test_statistics(client):
    ones = np.ones((3, 4), np.float32)
    before = client.get_inference_statistics("pair")["model_stats"][0]
    for _ in range(5):
        client.infer("pair", [tensor("a", ones), tensor("b", ones)])
    after = client.get_inference_statistics("pair")["model_stats"][0]
    assert after["version"].isdigit()
    assert after["inference_count"] - before["inference_count"] == 15
    assert after["execution_count"] > before["execution_count"]
    for block in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        old, new = before["inference_stats"][block], after["inference_stats"][block]
        assert new["count"] - old["count"] == 5 and new["ns"] >= old["ns"]
    for block in ("fail", "cache_hit", "cache_miss"):
        assert {"count", "ns"} <= after["inference_stats"][block].keys()
    names = [row["name"] for row in client.get_inference_statistics()["model_stats"]]
    assert "pixels" in names and "pair" in names


def test_timing_header(server):
    code, headers, _ = server.infer("pair", pair_document())
    assert code == 200
    parts = dict(part.strip().split(";dur=") for part in headers["e2b-timing"].split(","))
    times = {name: float(value) for name, value in parts.items()}
    total = times.pop("total")
    assert list(times) == ["fill", "upload", "wait", "queue", "compute", "download"]
    assert min(times.values()) >= 0 and total < 60_000
    assert abs(sum(times.values()) - total) < 0.1  # clocks of host and device


def test_json_answer(server):
    code, headers, body = server.infer("pair", pair_document(2, id="x"))
    assert code == 200 and headers["content-type"] == "application/json"
    answer = json.loads(body)
    assert answer["id"] == "x" and answer["model_version"] == "1"
    assert answer["outputs"][0] == {
        "name": "sum", "datatype": "FP32", "shape": [2, 4], "data": [0.5] * 8,
    }


def test_raw_body(server):
    """Header length 0: the body is the only input, outputs come in binary."""
    image = np.full((16, 16, 3), 9, np.uint8).tobytes()
    code, headers, body = server.infer(
        "pixels", image, {"Inference-Header-Content-Length": "0"}
    )
    assert code == 200
    tail = body[int(headers["inference-header-content-length"]):]
    np.testing.assert_allclose(np.frombuffer(tail, "<f4"), [9, 9, 9], rtol=1e-5)


def test_versions_and_paths(server):
    head, data = binary_pair()
    more = {"Inference-Header-Content-Length": str(len(head))}
    assert server.ask("POST", "/v2/models/pair/versions/1/infer", head + data, more)[0] == 200
    text = error_of(server.ask("POST", "/v2/models/pair/versions/2/infer", head + data, more), 404)
    assert "version" in text
    assert "did you mean" in error_of(server.infer("piar", pair_document()), 404)
    error_of(server.ask("GET", "/v2/models/none"), 404)
    error_of(server.ask("GET", "/nothing/here"), 404)
    answer = server.ask("GET", "/v2/models/pair/infer")
    error_of(answer, 405)
    assert answer[1]["allow"] == "POST"
    error_of(server.ask("DELETE", "/v2"), 405)
    code, _, body = server.ask("GET", "/v2/health/live")
    assert code == 200 and json.loads(body) == {"live": True}


def test_head_method(server):
    with server.connect() as sock:
        sock.sendall(b"HEAD /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := sock.recv(4096):
            data += piece
    assert data.startswith(b"HTTP/1.1 200") and data.endswith(b"\r\n\r\n")


def test_compressed_body(client):
    ones = np.ones((1, 4), np.float32)
    for kind in ("gzip", "deflate"):
        with pytest.raises(InferenceServerException, match="compressed"):
            client.infer(
                "pair", [tensor("a", ones), tensor("b", ones)], request_compression_algorithm=kind
            )
        result = client.infer(
            "pair", [tensor("a", ones), tensor("b", ones)], response_compression_algorithm=kind
        )
        np.testing.assert_array_equal(result.as_numpy("sum"), 2 * ones)


def test_priority_and_timeout(client):
    ones = np.ones((1, 4), np.float32)
    inputs = [tensor("a", ones), tensor("b", ones)]
    result = client.infer("pair", inputs, priority=2, timeout=60_000_000)
    np.testing.assert_array_equal(result.as_numpy("sum"), 2 * ones)
    with pytest.raises(InferenceServerException, match="sequence"):
        client.infer("pair", inputs, sequence_id=5)


def test_timeout_that_cannot_be_kept(server):
    document = {
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0]}],
        "parameters": {"timeout": 1},
    }
    answer = server.infer("slow", document)
    error_of(answer, 503)
    assert answer[1]["retry-after"]
    server.wait_for_free_slots("slow", 4)
