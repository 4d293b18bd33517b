"""The networks that are compared, by name: made where they are missing, their batch free."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workers import ROOT

sys.path.insert(0, str(ROOT / "tools" / "models"))

import compare  # noqa: E402
import efficientnet_lite0  # noqa: E402
import generate  # noqa: E402
import light  # noqa: E402
import network  # noqa: E402
import packages  # noqa: E402
import zoo  # noqa: E402

FOLDER = packages.MODELS / "generated"
PRODUCTS = ("gemm_2048", "gemm_4096", "gemm_8192")
TRANSFORMERS = ("bert_base", "bert_small", "vit_b16", "vit_small")


def known():
    return [*zoo.NETWORKS, *TRANSFORMERS, "efficientnet_lite0", *light.names(light.FOLDER), *PRODUCTS]


def path(name, precision="fp32"):
    if name == "efficientnet_lite0":
        return efficientnet_lite0.prepare(packages.MODELS)[0]
    if name in PRODUCTS:
        return _product(name, precision)
    if name in zoo.NETWORKS or name in TRANSFORMERS:
        return generate.generate(name, FOLDER)
    return _with_free_batch(generate.generate_light(name, FOLDER))


def is_product(name):
    return name in PRODUCTS


def product_size(name):
    return int(name.rpartition("_")[2])


def _product(name, precision):
    """x[n][n] times a weight of n x n, in float16 or float32 from end to end. Both files hold the
    same numbers: the weights are rounded to float16."""
    target = FOLDER / f"{name}_{precision}.onnx"
    if target.exists():
        return target
    n = product_size(name)
    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    weight = network.RandomWeights(name).filters("", (n, n), 1.0).astype(np.float16)
    weight = weight if precision == "fp16" else weight.astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"], name="product")], name,
        [helper.make_tensor_value_info("x", kind, ["batch", n])],
        [helper.make_tensor_value_info("y", kind, ["batch", n])],
        [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, ir_version=network.IR_VERSION,
                              opset_imports=[helper.make_opsetid("", network.OPSET)])
    network.write(target, model.SerializeToString(deterministic=True))
    return target


def _with_free_batch(source):
    """A copy whose batch is free, or the file itself where its shape arithmetic needs one batch."""
    target = source.with_name(f"{source.stem}.free.onnx")
    if target.exists():
        return target
    model = onnx.load(source)
    if any(node.op_type == "Reshape" for node in model.graph.node):
        return source
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    network.write(target, model.SerializeToString(deterministic=True))
    return target


def input_shape(file, batch):
    """Of the first input; None if the network cannot take that batch."""
    first, *rest = _inputs(file)[0].type.tensor_type.shape.dim
    if first.HasField("dim_value") and first.dim_value != batch:
        return None
    return (batch, *(dim.dim_value for dim in rest))


def _inputs(file):
    graph = onnx.load(file, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def sample(file, batch):
    """Seeded values for a network's first input."""
    shape = input_shape(file, batch)
    if _inputs(file)[0].type.tensor_type.elem_type == TensorProto.INT64:
        return np.random.default_rng(1).integers(1, 1000, shape)
    if len(shape) == 4:
        return compare.sample_images(shape)
    values = np.random.default_rng(1).standard_normal(shape, np.float32)
    return values.astype(np.float16).astype(np.float32)  # numbers that every precision has


def feeds(file, array):
    """All inputs by name: the first one, and ones for the others, as bench_worker has them."""
    first, *others = _inputs(file)
    return {first.name: array, **{value.name: np.ones_like(array) for value in others}}
