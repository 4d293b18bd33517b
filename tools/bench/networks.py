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
    return _write(target, graph)


def _write(target, graph):
    model = helper.make_model(graph, ir_version=network.IR_VERSION,
                              opset_imports=[helper.make_opsetid("", network.OPSET)])
    network.write(target, model.SerializeToString(deterministic=True))
    return target


def layers(name, precision="fp32"):
    """Each different convolution of a network as a file of its own, without bias: (what it is, how
    often it occurs, file). Images are in channels-last order, of the precision from end to end."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path(name)))
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)}
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            layer = (tuple(shapes[node.input[0]][1:]), tuple(weights[node.input[1]]),
                     tuple(sorted((key, tuple(value) if isinstance(value, list) else value)
                                  for key, value in attributes.items())))
            found[layer] = found.get(layer, 0) + 1
    return [(_layer_name(*layer), count, _layer(name, index, precision, *layer))
            for index, (layer, count) in enumerate(found.items())]


def _layer_name(image, weight, attributes):
    attributes, (channels, height, width) = dict(attributes), image
    stride, groups = attributes.get("strides", (1, 1))[0], attributes.get("group", 1)
    return (f"{weight[2]}x{weight[3]}{f'/{stride}' if stride > 1 else ''}"
            f"{f' in {groups} groups' if groups > 1 else ''}"
            f" {channels}-{weight[0]} of {height}x{width}")


def _layer(name, index, precision, image, weight, attributes):
    """Its input has rows of pixels, so that no engine takes it for an image in another order."""
    target = FOLDER / "layers" / f"{name}_{index}_{precision}.onnx"
    if target.exists():
        return target
    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    values = network.RandomWeights(f"{name}_{index}").filters("", weight).astype(np.float16)
    values = values if precision == "fp16" else values.astype(np.float32)
    channels, height, width = image
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["rows"], name="rows"),
             helper.make_node("Transpose", ["rows"], ["image"], name="image", perm=[0, 3, 1, 2]),
             helper.make_node("Conv", ["image", "weight"], ["result"], name="layer",
                              **dict(attributes)),
             helper.make_node("Transpose", ["result"], ["y"], name="y", perm=[0, 2, 3, 1])]
    graph = helper.make_graph(
        nodes, target.stem,
        [helper.make_tensor_value_info("x", kind, ["batch", height, width * channels])],
        [helper.make_tensor_value_info("y", kind, ["batch", None, None, weight[0]])],
        [numpy_helper.from_array(values, "weight"),
         numpy_helper.from_array(np.array([0, height, width, channels]), "shape")])
    return _write(target, graph)


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
