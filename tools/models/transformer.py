"""Well-known transformers as PyTorch's exporter writes them: shape arithmetic on a free batch, GELU
by Erf, and LayerNormalization, which before opset 17 is a chain of simpler nodes."""

import collections

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network

Size = collections.namedtuple("Size", "layers width heads inner")
BASE, SMALL = Size(12, 768, 12, 3072), Size(2, 64, 4, 128)
TOKENS = 128
LONGEST = 512  # positions that BERT knows
CLASSES = 1000


class Export:
    """A graph under construction; values are known by their names."""

    def __init__(self, name, opset=network.OPSET):
        self.name, self.opset = name, opset
        self.weights = network.RandomWeights(name)
        self._nodes, self._initializers, self._inputs = [], [], []

    def input(self, name, kind, *shape):
        self._inputs.append(helper.make_tensor_value_info(name, kind, ["batch", *shape]))
        return name

    def node(self, kind, *inputs, **attributes):
        """The name of its one output. An input that is no name becomes a constant."""
        output = f"{kind.lower()}_{len(self._nodes)}"
        inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value, name=None):
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32, order="C")
        name = name or f"constant_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(array, name))
        return name

    def unsqueeze(self, x, axis):
        return self.node("Unsqueeze", x, [axis])

    def dimension(self, x, axis):
        """As a vector of one number."""
        return self.unsqueeze(self.node("Gather", self.node("Shape", x), axis, axis=0), 0)

    def reshape(self, x, *shape):
        """A number stays; None is x's own dimension at that place."""
        parts = [self.dimension(x, axis) if size is None else [size]
                 for axis, size in enumerate(shape)]
        return self.node("Reshape", x, self.node("Concat", *parts, axis=0))

    def linear(self, x, name, inputs, outputs):
        weight = self.constant(self.weights.filters(name, (outputs, inputs), 1.0).T,
                               f"{name}.weight")
        bias = self.constant(self.weights.bias(name, outputs), f"{name}.bias")
        return self.node("Add", bias, self.node("MatMul", x, weight))

    def layer_norm(self, x, name, width, epsilon):
        values = self.weights.statistics(name, width)
        scale = self.constant(values["weight"], f"{name}.weight")
        bias = self.constant(values["bias"], f"{name}.bias")
        if self.opset >= 17:
            return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        variance = self.node("ReduceMean", self.node("Pow", centred, 2.0), axes=[-1])
        deviation = self.node("Sqrt", self.node("Add", variance, epsilon))
        normal = self.node("Div", centred, deviation)
        return self.node("Add", self.node("Mul", normal, scale), bias)

    def gelu(self, x):
        erf = self.node("Erf", self.node("Div", x, float(np.sqrt(2))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", erf, 1.0)), 0.5)

    def heads(self, x, name, size, perm):
        x = self.linear(x, name, size.width, size.width)
        x = self.reshape(x, None, None, size.heads, size.width // size.heads)
        return self.node("Transpose", x, perm=perm)

    def join_heads(self, x, size):
        x = self.node("Transpose", x, perm=[0, 2, 1, 3])
        return self.reshape(x, None, None, size.width)

    def feed_forward(self, x, name, size):
        x = self.gelu(self.linear(x, f"{name}.intermediate", size.width, size.inner))
        return self.linear(x, f"{name}.output", size.inner, size.width)

    def save(self, path, output_name, *shape):
        """The last node's output, (batch, *shape), is the graph's."""
        self._nodes[-1].output[0] = output_name
        output = helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["batch", *shape])
        graph = helper.make_graph(self._nodes, self.name, self._inputs, [output],
                                  self._initializers)
        model = helper.make_model(graph, producer_name="e2bird", ir_version=network.IR_VERSION,
                                  opset_imports=[helper.make_opsetid("", self.opset)])
        onnx.checker.check_model(model)
        network.write(path, model.SerializeToString(deterministic=True))


def bert(net, path, size, words):
    """The encoder: tokens to their last hidden state. Scores are divided by the root of a head's
    width, and masked ones lowered by 10,000."""
    ids, mask, types = (net.input(name, TensorProto.INT64, TOKENS)
                        for name in ("input_ids", "attention_mask", "token_type_ids"))
    mask = net.node("Cast", net.unsqueeze(net.unsqueeze(mask, 1), 2), to=TensorProto.FLOAT)
    mask = net.node("Mul", net.node("Sub", 1.0, mask), -10000.0)
    x = _embed(net, ids, types, size.width, words)
    for layer in range(size.layers):
        name = f"layer.{layer}"
        y = _masked_attention(net, x, mask, name, size)
        y = net.linear(y, f"{name}.attention.output", size.width, size.width)
        x = net.layer_norm(net.node("Add", y, x), f"{name}.attention.norm", size.width, 1e-12)
        y = net.feed_forward(x, name, size)
        x = net.layer_norm(net.node("Add", y, x), f"{name}.norm", size.width, 1e-12)
    net.save(path, "last_hidden_state", TOKENS, size.width)


def _embed(net, ids, types, width, words):
    def table(name, rows):
        return net.constant(net.weights.filters(name, (rows, width), 0.3 * width), f"{name}.weight")

    x = net.node("Add", net.node("Gather", table("words", words), ids),
                 net.node("Gather", table("types", 2), types))
    positions = net.node("Slice", np.arange(LONGEST)[None], [0], net.dimension(ids, 1), [1], [1])
    x = net.node("Add", x, net.node("Gather", table("positions", LONGEST), positions))
    return net.layer_norm(x, "embeddings.norm", width, 1e-12)


def _masked_attention(net, x, mask, name, size):
    query = net.heads(x, f"{name}.query", size, [0, 2, 1, 3])
    key = net.heads(x, f"{name}.key", size, [0, 2, 3, 1])
    value = net.heads(x, f"{name}.value", size, [0, 2, 1, 3])
    scores = net.node("Div", net.node("MatMul", query, key),
                      float(np.sqrt(size.width // size.heads)))
    weights = net.node("Softmax", net.node("Add", scores, mask), axis=-1)
    return net.join_heads(net.node("MatMul", weights, value), size)


def vit(net, path, size, patch, image):
    """The classifier; the first token is the class's. Queries and keys are each multiplied by the
    root of the scale, which is computed from their shape."""
    pixels = net.input("image", TensorProto.FLOAT, 3, image, image)
    x = _patches(net, pixels, size.width, patch)
    tokens = (image // patch) ** 2 + 1
    first = net.constant(net.weights.filters("class", (1, 1, size.width), size.width), "class")
    wanted = net.node("Concat", net.dimension(x, 0), [-1], [-1], axis=0)
    ones = net.node("ConstantOfShape", [3], value=numpy_helper.from_array(np.array([1])))
    kept = net.node("Equal", wanted, net.node("Mul", ones, -1))
    first = net.node("Expand", first, net.node("Where", kept, ones, wanted))
    x = net.node("Concat", first, x, axis=1)
    positions = net.weights.filters("positions", (1, tokens, size.width), 0.3 * size.width)
    x = net.node("Add", x, net.constant(positions, "positions"))
    for layer in range(size.layers):
        name = f"layer.{layer}"
        y = net.layer_norm(x, f"{name}.norm_before", size.width, 1e-6)
        y = _scaled_attention(net, y, name, size)
        y = net.linear(y, f"{name}.attention.output", size.width, size.width)
        x = net.node("Add", y, x)
        y = net.layer_norm(x, f"{name}.norm_after", size.width, 1e-6)
        x = net.node("Add", net.feed_forward(y, name, size), x)
    x = net.node("Gather", net.layer_norm(x, "norm", size.width, 1e-6), 0, axis=1)
    weight = net.constant(net.weights.filters("classifier", (CLASSES, size.width), 1.0),
                          "classifier.weight")
    net.node("Gemm", x, weight, net.weights.bias("classifier", CLASSES), transB=1)
    net.save(path, "logits", CLASSES)


def _patches(net, pixels, width, patch):
    weight = net.constant(net.weights.filters("patches", (width, 3, patch, patch), 1.0),
                          "patches.weight")
    x = net.node("Conv", pixels, weight, net.weights.bias("patches", width),
                 kernel_shape=[patch, patch], strides=[patch, patch])
    kept = net.node("Slice", net.node("Shape", x), [0], [2], [0])
    x = net.node("Reshape", x, net.node("Concat", kept, [-1], axis=0))
    return net.node("Transpose", x, perm=[0, 2, 1])


def _scaled_attention(net, x, name, size):
    query = net.heads(x, f"{name}.query", size, [0, 2, 1, 3])
    key = net.heads(x, f"{name}.key", size, [0, 2, 3, 1])
    value = net.heads(x, f"{name}.value", size, [0, 2, 1, 3])
    width = net.node("Slice", net.node("Shape", query), [-1], [2**63 - 1])
    width = net.node("Cast", width, to=TensorProto.FLOAT)
    root = net.node("Sqrt", net.node("Div", 1.0, net.node("Sqrt", width)))
    scores = net.node("MatMul", net.node("Mul", query, root), net.node("Mul", key, root))
    return net.join_heads(net.node("MatMul", net.node("Softmax", scores, axis=-1), value), size)


# name: (opset, what writes it)
NETWORKS = {
    "bert_base": (17, lambda net, path: bert(net, path, BASE, 30522)),
    "bert_base_opset14": (14, lambda net, path: bert(net, path, BASE, 30522)),
    "bert_small": (17, lambda net, path: bert(net, path, SMALL, 1000)),
    "bert_small_opset14": (14, lambda net, path: bert(net, path, SMALL, 1000)),
    "vit_b16": (17, lambda net, path: vit(net, path, BASE, 16, 224)),
    "vit_small": (17, lambda net, path: vit(net, path, SMALL, 8, 56)),
}


def write(name, path):
    opset, build = NETWORKS[name]
    build(Export(name, opset), path)
