import json

import numpy as np
import pytest

import compare
import demo_record
import efficientnet_lite0
import packages


@pytest.fixture(scope="module")
def files():
    return efficientnet_lite0.prepare(packages.MODELS)


@pytest.mark.parametrize("precision, batches", [("fp32", (1, 3)), ("fp16", (1,))])
def test_agrees_with_onnx_runtime(files, check, precision, batches):
    check(files[0], precision, batches)


def test_sees_what_is_on_record(files, command, device):
    record = json.loads(demo_record.RECORD.read_text())
    tensor = demo_record.image_tensor(demo_record.image_pixels(files[2]))
    (probabilities,) = compare.e2bird(command, files[0], {"image": tensor}, device=device)
    for entry in record["best"]:
        assert probabilities[entry["index"]] == pytest.approx(entry["probability"], abs=1e-3)
    assert np.argmax(probabilities) == record["best"][0]["index"]


def test_record_is_what_onnx_runtime_says():
    record, derived = json.loads(demo_record.RECORD.read_text()), demo_record.derive()
    for entry, again in zip(record.pop("best"), derived.pop("best"), strict=True):
        probability = entry.pop("probability")
        assert again.pop("probability") == pytest.approx(probability, abs=1e-3)
        assert entry == again
    assert record == derived


def test_every_class_has_a_label(files):
    labels = files[1].read_text().splitlines()
    assert len(labels) == 1000
    assert labels[967] == "espresso"
