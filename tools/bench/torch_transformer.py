"""The transformers of tools/models/transformer.py as PyTorch writes them at its best: one product
for queries, keys and values, and scaled_dot_product_attention. Weights are those of the ONNX file."""

import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional

WIDTH_OF_HEAD = 64  # or a quarter of a token, if that is less


class Weights:
    def __init__(self, model):
        self._arrays = {tensor.name: tensor for tensor in model.graph.initializer}

    def __contains__(self, name):
        return name in self._arrays

    def __getitem__(self, name):
        return torch.from_numpy(numpy_helper.to_array(self._arrays[name]).copy())

    def linear(self, *names):
        """Of products with one input, side by side; the file has them transposed."""
        weight = torch.cat([self[f"{name}.weight"].T for name in names])
        module = torch.nn.Linear(*reversed(weight.shape))
        module.weight.data = weight.contiguous()
        module.bias.data = torch.cat([self[f"{name}.bias"] for name in names])
        return module

    def layer_norm(self, name, epsilon):
        module = torch.nn.LayerNorm(self[f"{name}.weight"].shape[0], epsilon)
        module.weight.data, module.bias.data = self[f"{name}.weight"], self[f"{name}.bias"]
        return module

    def layers(self):
        count = 0
        while f"layer.{count}.query.weight" in self:
            count += 1
        return count


class Layer(torch.nn.Module):
    """`before`: layer normalisation comes before attention and products, not after their sums."""

    def __init__(self, weights, name, before):
        super().__init__()
        self.before = before
        self.head = min(WIDTH_OF_HEAD, weights[f"{name}.query.weight"].shape[0] // 4)
        first, second, epsilon = (("norm_before", "norm_after", 1e-6) if before
                                  else ("attention.norm", "norm", 1e-12))
        self.projection = weights.linear(*(f"{name}.{part}" for part in ("query", "key", "value")))
        self.joined = weights.linear(f"{name}.attention.output")
        self.first = weights.layer_norm(f"{name}.{first}", epsilon)
        self.second = weights.layer_norm(f"{name}.{second}", epsilon)
        self.inner = weights.linear(f"{name}.intermediate")
        self.outer = weights.linear(f"{name}.output")

    def attention(self, x, mask):
        batch, tokens, width = x.shape
        parts = self.projection(x).view(batch, tokens, 3, -1, self.head).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*parts, attn_mask=mask)
        return self.joined(y.transpose(1, 2).reshape(batch, tokens, width))

    def products(self, x):
        return self.outer(functional.gelu(self.inner(x)))

    def forward(self, x, mask=None):
        if self.before:
            x = x + self.attention(self.first(x), mask)
            return x + self.products(self.second(x))
        x = self.first(self.attention(x, mask) + x)
        return self.second(self.products(x) + x)


class Bert(torch.nn.Module):
    """Of token numbers; the mask and the kinds of tokens hold ones, as bench_worker has them."""

    def __init__(self, weights):
        super().__init__()
        self.words, self.types, self.positions = (
            torch.nn.Embedding.from_pretrained(weights[f"{name}.weight"])
            for name in ("words", "types", "positions"))
        self.norm = weights.layer_norm("embeddings.norm", 1e-12)
        self.layers = torch.nn.ModuleList(
            Layer(weights, f"layer.{i}", False) for i in range(weights.layers()))

    def forward(self, ids):
        others = torch.ones_like(ids)
        place = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.types(others) + self.positions(place))
        mask = ((1.0 - others[:, None, None].to(x.dtype)) * -10000.0).expand(
            -1, 1, ids.shape[1], -1)
        for layer in self.layers:
            x = layer(x, mask)
        return x


class Vit(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        kernel = weights["patches.weight"]
        self.patches = torch.nn.Conv2d(3, kernel.shape[0], kernel.shape[2], kernel.shape[2])
        self.patches.weight.data = kernel
        self.head = torch.nn.Linear(*reversed(weights["classifier.weight"].shape))
        self.head.weight.data = weights["classifier.weight"]
        self.first = torch.nn.Parameter(weights["class"], requires_grad=False)
        self.positions = torch.nn.Parameter(weights["positions"], requires_grad=False)
        self.layers = torch.nn.ModuleList(
            Layer(weights, f"layer.{i}", True) for i in range(weights.layers()))
        self.norm = weights.layer_norm("norm", 1e-6)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x[:, 0]))


def _biases(model, module):
    """Biases that the file has no name for, by the node that takes them."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv":
            module.patches.bias.data = torch.from_numpy(arrays[node.input[2]].copy())
        if node.op_type == "Gemm":
            module.head.bias.data = torch.from_numpy(arrays[node.input[2]].copy())


def load(path):
    """The file's network; None if it is no such transformer."""
    model = onnx.load(path)
    weights = Weights(model)
    if "layer.0.query.weight" not in weights:
        return None
    module = Bert(weights) if "words.weight" in weights else Vit(weights)
    if "patches.weight" in weights:
        _biases(model, module)
    return module.eval()
