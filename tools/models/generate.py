"""Makes well-known networks as ONNX files with seeded random weights, for speed and for comparison
with other runtimes: the same bytes each time, no download. A file that exists is left alone."""

import argparse
import pathlib

import light
import network
import packages
import transformer
import zoo

NAMES = [*zoo.NETWORKS, *transformer.NETWORKS]


def generate(name, folder):
    """Path of the network, made if it is missing."""
    path = folder / f"{name}.onnx"
    if not path.exists() and name in transformer.NETWORKS:
        transformer.write(name, path)
    elif not path.exists():
        size, build = zoo.NETWORKS[name]
        net = network.Network(name, network.RandomWeights(name), image=(3, size, size))
        net.save(path, "logits", build(net))
    return path


def generate_light(name, folder, source=light.FOLDER):
    path = folder / f"{name}.onnx"
    if not path.exists():
        light.randomize(source / f"{name}.onnx", path)
    return path


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"networks: {', '.join(NAMES)};\nlight_*: those of the ONNX backend tests, "
               "with random weights in place of constants")
    parser.add_argument("networks", nargs="*", metavar="NETWORK",
                        help="which to make (default: all but the light ones)")
    parser.add_argument("--folder", type=pathlib.Path, default=packages.MODELS / "generated",
                        help="where to write (default: models/generated of the project)")
    parser.add_argument("--light", type=pathlib.Path, default=light.FOLDER, metavar="FOLDER",
                        help="where light_*.onnx are (default: the onnx package)")
    options = parser.parse_args()
    known = [*NAMES, *light.names(options.light)]
    for name in options.networks or NAMES:
        if name not in known:
            parser.error(f"unknown network {name!r}; there are {', '.join(known)}")
        path = (generate(name, options.folder) if name in NAMES
                else generate_light(name, options.folder, options.light))
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
