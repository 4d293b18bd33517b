"""Networks of the ONNX backend tests whose weights are constants of one number: the same networks
with seeded weights in their place, so that a wrong index shows."""

import pathlib

import onnx
from onnx import numpy_helper

import network

FOLDER = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def names(folder):
    return sorted(path.stem for path in folder.glob("light_*.onnx"))


def randomize(source, target):
    """Write `source` to `target` with every weight drawn anew; its shape arithmetic stays."""
    model = onnx.load(source)
    graph = model.graph
    shapes = _weight_shapes(graph)
    weights = _draw(graph, shapes, network.RandomWeights(source.stem))
    nodes = [node for node in graph.node if node.output[0] not in weights]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer
            if tensor.name in used and tensor.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(array, name)
                             for name, array in weights.items())
    inputs = [value for value in graph.input if value.name in used]
    declared = {tensor.name for tensor in graph.initializer}
    del graph.input[:]
    graph.input.extend(value for value in inputs if value.name not in declared)
    model.ir_version = max(model.ir_version, 4)  # from then on weights need not be inputs too
    onnx.checker.check_model(model)
    network.write(target, model.SerializeToString(deterministic=True))


def _weight_shapes(graph):
    """Name to shape of every float weight, in the order of the nodes that make them."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {name: tuple(tensor.dims) for name, tensor in tensors.items()
              if tensor.data_type == onnx.TensorProto.FLOAT}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shapes[node.output[0]] = tuple(numpy_helper.to_array(tensors[node.input[0]]).tolist())
    return shapes


def _draw(graph, shapes, random):
    consumers = {name: node for node in graph.node for name in node.input}
    makers = {name: node.op_type for node in graph.node for name in node.output}
    weights = {}
    for name, shape in shapes.items():
        if name not in consumers or name in weights:
            continue
        node = consumers[name]
        if node.op_type == "BatchNormalization":
            joins = consumers[node.output[0]].op_type in ("Sum", "Add")
            parts = random.statistics(name, shape[0], 0.35 if joins else 1.0)
            weights.update({node.input[i + 1]: parts[part] for i, part in enumerate(NORM_PARTS)})
        elif node.op_type in ("Conv", "Gemm") and node.input[1] == name:
            linear = makers.get(node.input[0]) == "BatchNormalization"
            weights[name] = random.filters(name, shape, 1.0 if linear else 2.0)
        elif _scales(node, consumers):
            weights[name] = random.statistics(name, shape[0])["weight"]
        else:
            weights[name] = random.bias(name, shape)
    return weights


def _scales(node, consumers):
    """Whether a weight enters a product by way of a change of shape."""
    while node.op_type in ("Unsqueeze", "Reshape"):
        node = consumers[node.output[0]]
    return node.op_type == "Mul"
