"""Prometheus text, as its own parser reads it."""

from conftest import pair_document
from prometheus_client.parser import text_string_to_metric_families

COUNTERS = [
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
]


def read(server):
    code, headers, body = server.ask("GET", "/metrics")
    assert code == 200 and headers["content-type"].startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def test_all_models_have_the_usual_names(server):
    families = read(server)
    for name in [*COUNTERS, "nv_inference_pending_request_count", "e2b_pool_slots"]:
        models = {sample.labels["model"] for sample in families[name].samples}
        assert models == {"pair", "fixed", "narrow", "slow", "pixels"}
        assert all(sample.labels["version"] == "1" for sample in families[name].samples)


def test_counts(server):
    def counts():
        names = ["request_success", "count", "exec_count", "request_duration_us"]
        return [server.metric(f"nv_inference_{name}", model="pair") for name in names]

    before = counts()
    for _ in range(4):
        assert server.infer("pair", pair_document(5))[0] == 200
    success, samples, executions, duration = (b - a for a, b in zip(before, counts()))
    assert (success, samples) == (4, 20)
    assert 4 <= executions <= 20 and duration > 0


def test_failures_have_reasons(server):
    def failures(reason):
        return server.metric("nv_inference_request_failure", model="pair", reason=reason)

    other = failures("OTHER")
    assert server.infer("pair", b"{")[0] == 400
    assert failures("OTHER") == other + 1
    assert failures("BACKEND") == 0


def test_histograms(server):
    assert server.infer("pair", pair_document())[0] == 200
    families = read(server)
    for kind in ("request", "queue", "compute_infer"):
        family = families[f"nv_inference_{kind}_duration_histogram_us"]
        assert family.type == "histogram"
        rows = [sample for sample in family.samples if sample.labels["model"] == "pair"]
        buckets = [sample.value for sample in rows if sample.name.endswith("_bucket")]
        count = next(sample.value for sample in rows if sample.name.endswith("_count"))
        assert buckets == sorted(buckets) and buckets[-1] == count > 0
        assert next(sample.value for sample in rows if sample.name.endswith("_sum")) >= 0


def test_gauges_at_rest(server):
    server.wait_for_free_slots("pair", 32)
    assert server.metric("e2b_pool_slots", model="pair") == 32
    assert server.metric("nv_inference_pending_request_count", model="pair") == 0
    assert server.metric("e2b_ready") == 1
    assert server.metric("e2b_http_answers", code="200") > 0
