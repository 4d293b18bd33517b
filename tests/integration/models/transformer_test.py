import pytest

import generate
import packages

NETWORKS = ["bert_small", "bert_small_opset14", "vit_small"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_onnx_runtime(check, name, precision):
    check(generate.generate(name, packages.MODELS / "generated"), precision, batches=(1, 3))
