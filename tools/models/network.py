"""Writes convolutional networks as ONNX files. A value is known by its name; the builder keeps each
one's (channels, height, width) so that a network is written down as its authors draw it."""

import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class RandomWeights:
    """Seeded weights that keep activations near unit size: He's normal for filters, statistics of
    BatchNormalization near those of a trained network."""

    def __init__(self, seed):
        self._random = np.random.default_rng(zlib.crc32(seed.encode()))

    def filters(self, _name, shape, gain=2.0):
        scale = np.float32(np.sqrt(gain / np.prod(shape[1:])))
        return self._random.standard_normal(shape, np.float32) * scale

    def bias(self, _name, count):
        return self._random.standard_normal(count, np.float32) * np.float32(0.1)

    def statistics(self, _name, count, scale=1.0):
        spread = self._random.uniform(0.8, 1.2, (2, count)).astype(np.float32)
        shift = self._random.standard_normal((2, count), np.float32) * np.float32(0.1)
        return {"weight": spread[0] * np.float32(scale), "bias": shift[0],
                "running_mean": shift[1], "running_var": spread[1]}


class Network:
    """One network under construction. `weights` has the three methods of RandomWeights."""

    def __init__(self, name, weights, image=(3, 224, 224), epsilon=1e-5):
        self.name, self.weights, self.epsilon = name, weights, epsilon
        self.nodes, self.initializers, self._initializer_names = [], [], set()
        self.shapes = {"image": image}

    def node(self, kind, inputs, shape, **attributes):
        """Append a node; the name of its one output, which is also the node's."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        self.shapes[output] = shape
        return output

    def constant(self, name, array):
        if name not in self._initializer_names:
            self._initializer_names.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def conv(self, x, name, filters, kernel=1, stride=1, pads=0, groups=1, bias=False, gain=2.0):
        """`pads`: one number, (vertical, horizontal), ONNX's four, or "same" as TensorFlow pads."""
        channels, height, width = self.shapes[x]
        kernel, strides = _pair(kernel), _pair(stride)
        pads = self._pads(pads, (height, width), kernel, strides)
        shape = (filters, channels // groups, *kernel)
        inputs = [x, self.constant(f"{name}.weight", self.weights.filters(name, shape, gain))]
        if bias:
            inputs.append(self.constant(f"{name}.bias", self.weights.bias(name, filters)))
        size = _slide((height, width), kernel, strides, pads)
        return self.node("Conv", inputs, (filters, *size), kernel_shape=list(kernel),
                         strides=list(strides), pads=list(pads), group=groups)

    def norm(self, x, name, scale=1.0):
        count = self.shapes[x][0]
        values = self.weights.statistics(name, count, scale)
        inputs = [self.constant(f"{name}.{key}", values[key])
                  for key in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [x, *inputs], self.shapes[x], epsilon=self.epsilon)

    def activate(self, x, kind):
        shape = self.shapes[x]
        if kind is None:
            return x
        if kind == "relu6":
            bounds = [self.constant(name, np.float32(value))
                      for name, value in (("zero", 0), ("six", 6))]
            return self.node("Clip", [x, *bounds], shape)
        if kind == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x], shape)], shape)
        if kind == "HardSigmoid":
            return self.node(kind, [x], shape, alpha=1 / 6, beta=0.5)
        return self.node(kind, [x], shape)

    def pool(self, x, kind, kernel, stride, pads=0, **attributes):
        channels, *size = self.shapes[x]
        kernel, strides = _pair(kernel), _pair(stride)
        pads = self._pads(pads, size, kernel, strides)
        return self.node(kind, [x], (channels, *_slide(size, kernel, strides, pads)),
                         kernel_shape=list(kernel), strides=list(strides), pads=list(pads),
                         **attributes)

    def global_pool(self, x):
        return self.node("GlobalAveragePool", [x], (self.shapes[x][0], 1, 1))

    def add(self, a, b):
        return self.node("Add", [a, b], self.shapes[a])

    def multiply(self, x, factor):
        return self.node("Mul", [x, factor], self.shapes[x])

    def concat(self, *branches):
        channels = sum(self.shapes[branch][0] for branch in branches)
        return self.node("Concat", list(branches), (channels, *self.shapes[branches[0]][1:]), axis=1)

    def flatten(self, x):
        return self.node("Flatten", [x], (int(np.prod(self.shapes[x])), 1, 1), axis=1)

    def linear(self, x, name, count, gain=1.0):
        shape = (count, self.shapes[x][0])
        inputs = [self.constant(f"{name}.weight", self.weights.filters(name, shape, gain)),
                  self.constant(f"{name}.bias", self.weights.bias(name, count))]
        return self.node("Gemm", [x, *inputs], (count, 1, 1), transB=1)

    def softmax(self, x):
        return self.node("Softmax", [x], self.shapes[x], axis=1)

    def save(self, path, output_name, x):
        """Write the file; x becomes the only output, (batch, its channels)."""
        self.nodes[-1].output[0] = output_name
        assert self.nodes[-1].name == x
        graph = helper.make_graph(
            self.nodes, self.name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT,
                                           ["batch", *self.shapes["image"]])],
            [helper.make_tensor_value_info(output_name, TensorProto.FLOAT,
                                           ["batch", self.shapes[x][0]])],
            self.initializers)
        model = helper.make_model(graph, producer_name="e2bird", ir_version=IR_VERSION,
                                  opset_imports=[helper.make_opsetid("", OPSET)])
        onnx.checker.check_model(model)
        write(path, model.SerializeToString(deterministic=True))

    @staticmethod
    def _pads(pads, size, kernel, strides):
        if pads == "same":
            total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, strides)]
            begin = [t // 2 for t in total]
            return (*begin, *[t - b for t, b in zip(total, begin)])
        return pads if np.size(pads) == 4 else (*_pair(pads), *_pair(pads))


def write(path, data):
    """Under another name first: what carries the name is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _pair(value):
    return (value, value) if np.ndim(value) == 0 else tuple(value)


def _slide(size, kernel, strides, pads):
    return tuple((n + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1
                 for i, n in enumerate(size))
