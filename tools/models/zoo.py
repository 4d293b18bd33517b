"""Well-known image classifiers as their authors describe them: each takes an empty Network, and
returns the value that holds the 1,000 logits. The input size is that of the publication."""

CLASSES = 1000

# Variance lost by what stands between two convolutions, given back by the next one's `gain`.
LINEAR, RELU, SILU = 1.0, 2.0, 2.4
EXCITED = 4.0  # a squeeze-and-excitation that halves on average
BRANCH = 0.2  # of what is added to a shortcut, so that a sum of many stays small


def _unit(net, x, name, filters, kernel=1, stride=1, activation="Relu", scale=1.0, **options):
    x = net.conv(x, f"{name}.conv", filters, kernel, stride, **options)
    return net.activate(net.norm(x, f"{name}.bn", scale), activation)


def _chain(net, x, name, *steps):
    """steps: (filters, kernel) or (filters, kernel, stride) or (filters, kernel, stride, pads);
    stride 1 keeps the size unless pads says otherwise."""
    for index, (filters, kernel, *rest) in enumerate(steps):
        stride = rest[0] if rest else 1
        half = kernel // 2 if isinstance(kernel, int) else tuple(k // 2 for k in kernel)
        pads = rest[1] if len(rest) > 1 else (half if stride == 1 else 0)
        x = _unit(net, x, f"{name}.{index}", filters, kernel, stride, pads=pads)
    return x


def _head(net, x):
    return net.linear(net.flatten(net.global_pool(x)), "fc", CLASSES)


def resnet(net, depths):
    """Version 1.5: the 3x3 convolution has the stride."""
    x = _unit(net, "image", "stem", 64, 7, 2, pads=3)
    x = net.pool(x, "MaxPool", 3, 2, 1)
    for stage, depth in enumerate(depths):
        for index in range(depth):
            x = _bottleneck(net, x, f"layer{stage + 1}.{index}", 64 << stage,
                            2 if stage and index == 0 else 1)
    return _head(net, x)


def _bottleneck(net, x, name, width, stride):
    y = _unit(net, x, f"{name}.reduce", width)
    y = _unit(net, y, f"{name}.middle", width, 3, stride, pads=1)
    y = _unit(net, y, f"{name}.expand", 4 * width, activation=None, scale=BRANCH)
    if net.shapes[x] != net.shapes[y]:
        x = _unit(net, x, f"{name}.shortcut", 4 * width, 1, stride, None)
    return net.activate(net.add(y, x), "Relu")


def vgg(net, deep):
    """deep: convolutions in each of the last three stages."""
    x = "image"
    for stage, (filters, depth) in enumerate(((64, 2), (128, 2), (256, deep), (512, deep), (512, deep))):
        for index in range(depth):
            x = net.conv(x, f"conv{stage + 1}_{index + 1}", filters, 3, pads=1, bias=True)
            x = net.activate(x, "Relu")
        x = net.pool(x, "MaxPool", 2, 2)
    x = net.flatten(x)
    for name in ("fc6", "fc7"):
        x = net.activate(net.linear(x, name, 4096, gain=RELU), "Relu")
    return net.linear(x, "fc8", CLASSES)


def inception_v3(net):
    net.epsilon = 1e-3
    x = _chain(net, "image", "stem1", (32, 3, 2), (32, 3, 1, 0), (64, 3))
    x = net.pool(x, "MaxPool", 3, 2)
    x = _chain(net, x, "stem2", (80, 1), (192, 3, 1, 0))
    x = net.pool(x, "MaxPool", 3, 2)
    for index, pooled in enumerate((32, 64, 64)):
        x = _mixed(net, x, f"a{index}", [[(64, 1)], [(48, 1), (64, 5)],
                                         [(64, 1), (96, 3), (96, 3)]], pooled)
    x = _reduce(net, x, "b", [[(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)]])
    for index, c in enumerate((128, 160, 160, 192)):
        row, column = (c, (1, 7)), (c, (7, 1))
        x = _mixed(net, x, f"c{index}", [[(192, 1)], [(c, 1), row, (192, (7, 1))],
                                         [(c, 1), column, row, column, (192, (1, 7))]], 192)
    x = _reduce(net, x, "d", [[(192, 1), (320, 3, 2)],
                              [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)]])
    for index in range(2):
        x = _mixed(net, x, f"e{index}", [[(320, 1)]], 192,
                   forks=[([(384, 1)], 384), ([(448, 1), (384, 3)], 384)])
    return _head(net, x)


def inception_v4(net):
    net.epsilon = 1e-3
    x = _chain(net, "image", "stem", (32, 3, 2), (32, 3, 1, 0), (64, 3))
    x = _reduce(net, x, "mixed3", [[(96, 3, 2)]])
    x = net.concat(_chain(net, x, "mixed4.0", (64, 1), (96, 3, 1, 0)),
                   _chain(net, x, "mixed4.1", (64, 1), (64, (1, 7)), (64, (7, 1)), (96, 3, 1, 0)))
    x = _reduce(net, x, "mixed5", [[(192, 3, 2)]])
    for index in range(4):
        x = _mixed(net, x, f"a{index}", [[(96, 1)], [(64, 1), (96, 3)],
                                         [(64, 1), (96, 3), (96, 3)]], 96, count_include_pad=0)
    x = _reduce(net, x, "reduce_a", [[(384, 3, 2)], [(192, 1), (224, 3), (256, 3, 2)]])
    for index in range(7):
        x = _mixed(net, x, f"b{index}", [
            [(384, 1)], [(192, 1), (224, (1, 7)), (256, (7, 1))],
            [(192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))]],
            128, count_include_pad=0)
    x = _reduce(net, x, "reduce_b", [[(192, 1), (192, 3, 2)],
                                     [(256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3, 2)]])
    for index in range(3):
        x = _mixed(net, x, f"c{index}", [[(256, 1)]], 256, count_include_pad=0,
                   forks=[([(384, 1)], 256), ([(384, 1), (448, (3, 1)), (512, (1, 3))], 256)])
    return _head(net, x)


def _mixed(net, x, name, chains, pooled, forks=(), count_include_pad=1):
    """Parallel chains of convolutions, forks that end in a 1x3 beside a 3x1, and a pooled branch."""
    branches = [_chain(net, x, f"{name}.{index}", *chain) for index, chain in enumerate(chains)]
    for index, (chain, filters) in enumerate(forks):
        y = _chain(net, x, f"{name}.fork{index}", *chain)
        branches += [_chain(net, y, f"{name}.fork{index}.{side}", (filters, kernel))
                     for side, kernel in (("row", (1, 3)), ("column", (3, 1)))]
    y = net.pool(x, "AveragePool", 3, 1, 1, count_include_pad=count_include_pad)
    return net.concat(*branches, _chain(net, y, f"{name}.pooled", (pooled, 1)))


def _reduce(net, x, name, chains):
    branches = [_chain(net, x, f"{name}.{index}", *chain) for index, chain in enumerate(chains)]
    return net.concat(*branches, net.pool(x, "MaxPool", 3, 2))


def mobilenet_v2(net):
    x = _unit(net, "image", "stem", 32, 3, 2, "relu6", pads=1)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1))
    for stage, (expansion, filters, repeats, stride) in enumerate(stages):
        for index in range(repeats):
            inner = expansion * net.shapes[x][0]
            x = _inverted(net, x, f"block{stage}.{index}", inner, filters, 3,
                          1 if index else stride, "relu6")
    return _head(net, _unit(net, x, "head", 1280, activation="relu6", gain=LINEAR))


def mobilenet_v3(net):
    """The large one."""
    net.epsilon = 1e-3
    x = _unit(net, "image", "stem", 16, 3, 2, "HardSwish", pads=1)
    blocks = ((3, 16, 16, 0, "Relu", 1), (3, 64, 24, 0, "Relu", 2), (3, 72, 24, 0, "Relu", 1),
              (5, 72, 40, 24, "Relu", 2), (5, 120, 40, 32, "Relu", 1), (5, 120, 40, 32, "Relu", 1),
              (3, 240, 80, 0, "HardSwish", 2), (3, 200, 80, 0, "HardSwish", 1),
              (3, 184, 80, 0, "HardSwish", 1), (3, 184, 80, 0, "HardSwish", 1),
              (3, 480, 112, 120, "HardSwish", 1), (3, 672, 112, 168, "HardSwish", 1),
              (5, 672, 160, 168, "HardSwish", 2), (5, 960, 160, 240, "HardSwish", 1),
              (5, 960, 160, 240, "HardSwish", 1))
    for index, (kernel, inner, filters, squeezed, activation, stride) in enumerate(blocks):
        x = _inverted(net, x, f"block{index}", inner, filters, kernel, stride, activation,
                      squeezed, ("Relu", "HardSigmoid"))
    x = _unit(net, x, "head", 960, activation="HardSwish", gain=LINEAR)
    x = net.linear(net.flatten(net.global_pool(x)), "fc1", 1280, gain=SILU)
    return net.linear(net.activate(x, "HardSwish"), "fc2", CLASSES)


def efficientnet_b0(net):
    x = _unit(net, "image", "stem", 32, 3, 2, "silu", pads=1)
    stages = ((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3),
              (6, 112, 5, 1, 3), (6, 192, 5, 2, 4), (6, 320, 3, 1, 1))
    for stage, (expansion, filters, kernel, stride, repeats) in enumerate(stages):
        for index in range(repeats):
            channels = net.shapes[x][0]
            x = _inverted(net, x, f"block{stage}.{index}", expansion * channels, filters, kernel,
                          1 if index else stride, "silu", channels // 4, ("silu", "Sigmoid"))
    return _head(net, _unit(net, x, "head", 1280, activation="silu", gain=LINEAR))


def _inverted(net, x, name, inner, filters, kernel, stride, activation, squeezed=0, gate=None):
    gain = RELU if activation in ("Relu", "relu6") else SILU
    y = x
    if inner != net.shapes[x][0]:
        y = _unit(net, y, f"{name}.expand", inner, activation=activation, gain=LINEAR)
    y = _unit(net, y, f"{name}.depthwise", inner, kernel, stride, activation, pads=kernel // 2,
              groups=inner, gain=gain)
    if squeezed:
        y = _excite(net, y, f"{name}.excite", squeezed, gate)
        gain *= EXCITED
    joins = stride == 1 and filters == net.shapes[x][0]
    y = _unit(net, y, f"{name}.project", filters, activation=None, gain=gain,
              scale=BRANCH if joins else 1.0)
    return net.add(y, x) if joins else y


def _excite(net, x, name, squeezed, gate):
    y = net.conv(net.global_pool(x), f"{name}.reduce", squeezed, bias=True)
    y = net.conv(net.activate(y, gate[0]), f"{name}.expand", net.shapes[x][0], bias=True, gain=0.1)
    return net.multiply(x, net.activate(y, gate[1]))


# name: (input size, builder)
NETWORKS = {
    "resnet50": (224, lambda net: resnet(net, (3, 4, 6, 3))),
    "resnet152": (224, lambda net: resnet(net, (3, 8, 36, 3))),
    "vgg16": (224, lambda net: vgg(net, 3)),
    "vgg19": (224, lambda net: vgg(net, 4)),
    "inception_v3": (299, inception_v3),
    "inception_v4": (299, inception_v4),
    "mobilenet_v2": (224, mobilenet_v2),
    "mobilenet_v3": (224, mobilenet_v3),
    "efficientnet_b0": (224, efficientnet_b0),
}
