"""Networks as PyTorch modules compute what ONNX Runtime does; skipped where PyTorch is missing."""

import pathlib
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")
ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "bench"))

import networks  # noqa: E402
import torch_from_onnx  # noqa: E402
import torch_transformer  # noqa: E402
import compare  # noqa: E402


def error(path, array):
    with torch.inference_mode():
        output = torch_from_onnx.load(path)(torch.from_numpy(array)).numpy()
    return compare.relative_error(output, compare.Reference(str(path)).run(array))


@pytest.mark.parametrize("name", ["bert_small", "vit_small"])
def test_transformer(name):
    path = networks.path(name)
    array = networks.sample(path, 2)
    with torch.inference_mode():
        output = torch_transformer.load(path)(torch.from_numpy(array)).numpy()
    right = compare.Reference(str(path)).run(networks.feeds(path, array))
    assert compare.relative_error(output, right) < 1e-5


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3", "resnet50", "inception_v3",
                                  "light_squeezenet", "light_resnet50"])
def test_network(name):
    path = networks.path(name)
    batch = 2 if networks.input_shape(path, 2) else 1
    assert error(path, networks.sample(path, batch)) < 1e-5


def one_node(folder, kind, weights, shape, **attributes):
    names = [f"w{index}" for index in range(len(weights))]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *names], ["y"], name="node", **attributes)], "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in zip(names, weights)])
    path = folder / "one.onnx"
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def array(*shape):
    return np.random.default_rng(2).standard_normal(shape, np.float32)


@pytest.mark.parametrize("kind, weights, shape, attributes", [
    ("Conv", [array(6, 2, 3, 3)], (2, 4, 9, 8),
     {"group": 2, "pads": [0, 1, 1, 2], "strides": [2, 1], "kernel_shape": [3, 3]}),
    ("MaxPool", [], (1, 3, 9, 9),
     {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ("AveragePool", [], (1, 3, 9, 9), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("Gemm", [array(5, 7), array(7)], (3, 5), {}),
    ("MatMul", [array(5, 7)], (3, 5), {}),
    ("Reshape", [np.array([0, -1])], (3, 2, 4), {}),
    ("Softmax", [], (3, 5), {"axis": 1})])
def test_operator(tmp_path, kind, weights, shape, attributes):
    path = one_node(tmp_path, kind, weights, shape, **attributes)
    assert error(path, array(*shape)) < 1e-5


@pytest.mark.parametrize("kind, weights, attributes, text", [
    ("Softplus", [], {}, "node: Softplus is not one of the operators"),
    ("Conv", [array(6, 4, 3, 3)], {"auto_pad": "SAME_UPPER"}, "auto_pad"),
    ("Add", [array(1)], {}, "the constant w0")])
def test_refuses_with_the_reason(tmp_path, kind, weights, attributes, text):
    path = one_node(tmp_path, kind, weights, (1, 4, 8, 8), **attributes)
    with pytest.raises(torch_from_onnx.Unsupported, match=text):
        torch_from_onnx.load(path)
