"""An ONNX file as a PyTorch module, so that both run the same network: a torch.fx graph of the
usual modules. BatchNormalization goes into the convolution before it, as e2bird does too."""

import re

import onnx
import torch
import torch.fx
from onnx import numpy_helper
from torch import nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_weights


class Unsupported(Exception):
    """The text names node, operator and reason."""


class Padded(nn.Module):
    """Another module on an image with a border; `sides` are left, right, top, bottom."""

    def __init__(self, sides, value, inner):
        super().__init__()
        self.sides, self.value, self.inner = sides, value, inner

    def forward(self, x):
        return self.inner(pad(x, self.sides, value=self.value))


class Product(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x):
        return torch.matmul(x, self.weight)


class Affine(nn.Module):
    """x * weight + bias for each channel, of an image."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight = nn.Parameter(weight.view(1, -1, 1, 1), requires_grad=False)
        self.bias = nn.Parameter(bias.view(1, -1, 1, 1), requires_grad=False)

    def forward(self, x):
        return x * self.weight + self.bias


class FlatSoftmax(nn.Module):
    """Before opset 13, over all dimensions from `axis` on."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def forward(self, x):
        return torch.softmax(x.flatten(self.axis), -1).view(x.shape)


def load(path):
    """An nn.Module in evaluation mode, float32 or what the file's weights are."""
    return Builder(onnx.load(path)).build()


class Builder:
    def __init__(self, model):
        self._graph = model.graph
        self._opset = max(entry.version for entry in model.opset_import
                          if entry.domain in ("", "ai.onnx"))
        self._constants = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
                           for tensor in model.graph.initializer}
        self._uses = {}
        for name in [name for node in model.graph.node for name in node.input]:
            self._uses[name] = self._uses.get(name, 0) + 1
        self._modules, self._values, self._convolutions = nn.Module(), {}, {}
        self._trace = torch.fx.Graph()

    def build(self):
        for value in self._graph.input:
            if value.name not in self._constants:
                self._values[value.name] = self._trace.placeholder(_identifier(value.name))
        for node in self._graph.node:
            self._add(node)
        self._trace.output(self._values[self._graph.output[0].name])
        module = torch.fx.GraphModule(self._modules, self._trace)
        return module.eval().requires_grad_(False)

    def _add(self, node):
        make = getattr(self, f"op_{node.op_type.lower()}", None)
        if not make:
            raise Unsupported(f"{node.name}: {node.op_type} is not one of the operators here")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        made = make(node, attributes)
        if isinstance(made, nn.Module):
            made = self._call(node, made)
        self._values[node.output[0]] = made

    def _call(self, node, module):
        name = _identifier(node.output[0])
        self._modules.add_module(name, module)
        return self._trace.call_module(name, (self._values[node.input[0]],))

    def _function(self, node, function):
        for name in node.input:
            self._refuse_unless(name in self._values, node, f"the constant {name}")
        return self._trace.call_function(function, tuple(self._values[name]
                                                         for name in node.input))

    def _constant(self, node, name):
        if name not in self._constants:
            raise Unsupported(f"{node.name}: {node.op_type} needs {name} to be known beforehand")
        return self._constants[name]

    def _optional(self, node, index):
        present = len(node.input) > index and node.input[index]
        return self._constant(node, node.input[index]) if present else None

    def _refuse_unless(self, condition, node, what):
        if not condition:
            raise Unsupported(f"{node.name}: {node.op_type} with {what} is not one of those here")

    def _window(self, node, attributes, make, value):
        """A module with a padding, or that behind a border where the two sides differ."""
        auto = attributes.get("auto_pad", b"NOTSET")
        self._refuse_unless(auto in (b"NOTSET", b"VALID"), node, f"auto_pad {auto!r}")
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        if top == bottom and left == right:
            return make((top, left))
        return Padded([left, right, top, bottom], value, make((0, 0)))

    def op_conv(self, node, attributes):
        weight, bias = self._constant(node, node.input[1]), self._optional(node, 2)
        groups = attributes.get("group", 1)
        self._refuse_unless(weight.ndim == 4, node, f"a weight of {weight.ndim} dimensions")

        def make(padding):
            module = nn.Conv2d(weight.shape[1] * groups, weight.shape[0], weight.shape[2:],
                               attributes.get("strides", [1, 1]), padding,
                               attributes.get("dilations", [1, 1]), groups, bias is not None,
                               dtype=weight.dtype)
            module.weight.data = weight
            if bias is not None:
                module.bias.data = bias
            self._convolutions[node.output[0]] = module
            return module

        return self._window(node, attributes, make, 0.0)

    def op_batchnormalization(self, node, attributes):
        scale, shift, mean, variance = (self._constant(node, name) for name in node.input[1:5])
        epsilon = attributes.get("epsilon", 1e-5)
        conv = self._convolutions.get(node.input[0])
        if conv is not None and self._uses[node.input[0]] == 1:
            conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance,
                                                          epsilon, scale, shift)
            return self._values[node.input[0]]
        factor = scale / torch.sqrt(variance + epsilon)
        return Affine(factor, shift - mean * factor)

    def op_maxpool(self, node, attributes):
        self._refuse_unless(len(node.output) == 1, node, "indices")
        return self._window(node, attributes, lambda padding: nn.MaxPool2d(
            attributes["kernel_shape"], attributes.get("strides", [1, 1]), padding,
            attributes.get("dilations", [1, 1]),
            ceil_mode=bool(attributes.get("ceil_mode", 0))), float("-inf"))

    def op_averagepool(self, node, attributes):
        counted = bool(attributes.get("count_include_pad", 0))
        pads = attributes.get("pads", [0, 0, 0, 0])
        self._refuse_unless(counted or pads[:2] == pads[2:], node, "uneven pads that do not count")
        return self._window(node, attributes, lambda padding: nn.AvgPool2d(
            attributes["kernel_shape"], attributes.get("strides", [1, 1]), padding,
            bool(attributes.get("ceil_mode", 0)), counted), 0.0)

    def op_globalaveragepool(self, _node, _attributes):
        return nn.AdaptiveAvgPool2d(1)

    def op_gemm(self, node, attributes):
        plain = all(attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
        self._refuse_unless(plain and not attributes.get("transA"), node, "alpha, beta or transA")
        weight, bias = self._constant(node, node.input[1]), self._optional(node, 2)
        weight = weight if attributes.get("transB") else weight.T.contiguous()
        module = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
        module.weight.data = weight
        if bias is not None:
            module.bias.data = bias
        return module

    def op_matmul(self, node, _attributes):
        return Product(self._constant(node, node.input[1]))

    def op_clip(self, node, attributes):
        bounds = [attributes.get(name) for name in ("min", "max")]
        for index in (0, 1):
            given = self._optional(node, index + 1)
            bounds[index] = given.item() if given is not None else bounds[index]
        self._refuse_unless(None not in bounds, node, "one bound")
        return nn.Hardtanh(*bounds)

    def op_relu(self, _node, _attributes):
        return nn.ReLU()

    def op_sigmoid(self, _node, _attributes):
        return nn.Sigmoid()

    def op_hardswish(self, _node, _attributes):
        return nn.Hardswish()

    def op_hardsigmoid(self, node, attributes):
        usual = (abs(attributes.get("alpha", 0.2) - 1 / 6) < 1e-6
                 and attributes.get("beta", 0.5) == 0.5)
        self._refuse_unless(usual, node, "another alpha than 1/6 or beta than 0.5")
        return nn.Hardsigmoid()

    def op_dropout(self, node, _attributes):
        return self._values[node.input[0]]

    def op_identity(self, node, _attributes):
        return self._values[node.input[0]]

    def op_add(self, node, _attributes):
        return self._function(node, torch.add)

    def op_sum(self, node, _attributes):
        values = [self._values[name] for name in node.input]
        total = values[0]
        for value in values[1:]:
            total = self._trace.call_function(torch.add, (total, value))
        return total

    def op_mul(self, node, _attributes):
        return self._function(node, torch.mul)

    def op_concat(self, node, attributes):
        values = [self._values[name] for name in node.input]
        return self._trace.call_function(torch.cat, (values, attributes["axis"]))

    def op_flatten(self, _node, attributes):
        return nn.Flatten(attributes.get("axis", 1))

    def op_reshape(self, node, _attributes):
        shape = self._constant(node, node.input[1]).tolist()
        self._refuse_unless(0 not in shape[1:], node, "a 0 behind the first dimension")
        first = self._trace.call_method("size", (self._values[node.input[0]], 0))
        shape = [first if shape[0] == 0 else shape[0], *shape[1:]]
        return self._trace.call_method("reshape", (self._values[node.input[0]], shape))

    def op_transpose(self, node, attributes):
        return self._trace.call_method("permute", (self._values[node.input[0]],
                                                   *attributes["perm"]))

    def op_softmax(self, _node, attributes):
        if self._opset < 13:
            return FlatSoftmax(attributes.get("axis", 1))
        return nn.Softmax(attributes.get("axis", -1))


def _identifier(name):
    return "v_" + re.sub(r"\W", "_", name)
