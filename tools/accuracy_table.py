"""Prints, as a Markdown table, how far e2bird's outputs are from ONNX Runtime's in float32 for each
network and precision on one device: ||output - reference|| / ||reference||.

On a host without ONNX Runtime: write the references here with --save FILE.npz, take the file there
and give it with --references FILE.npz. Networks are made where they are missing."""

import argparse
import hashlib
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "models"))

import compare  # noqa: E402

DEMO = "efficientnet_lite0"
PRECISIONS = ("fp32", "fp16")


def network_path(name):
    if name == DEMO:
        return ROOT / "models" / f"{DEMO}.onnx"  # made by tools/models/efficientnet_lite0.py
    import generate

    make = generate.generate_light if name.startswith("light_") else generate.generate
    return make(name, ROOT / "models" / "generated")


def all_networks():
    import light
    import zoo

    return [DEMO, *zoo.NETWORKS, *light.names(light.FOLDER)]


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def derive(name, batch):
    """What is saved of a reference: enough to make its input again and to know that it is that."""
    reference = compare.Reference(network_path(name))
    images = compare.sample_images(reference.shape(batch))
    return {"input_name": reference.input_name, "shape": images.shape, "digest": digest(images),
            "output": reference.run(images)}


def save(path, references):
    np.savez(path, **{f"{name}/{key}": value for name, reference in references.items()
                      for key, value in reference.items()})


def load(path):
    references = {}
    with np.load(path) as file:
        for key in file.files:
            name, part = key.rsplit("/", 1)
            references.setdefault(name, {})[part] = file[key]
    return references


def measure(command, name, reference, precision, device):
    images = compare.sample_images(tuple(reference["shape"]))
    if digest(images) != str(reference["digest"]):
        raise SystemExit(f"{name}: this numpy draws other random numbers than the one that saved")
    try:
        output = compare.e2bird(command, network_path(name), {str(reference["input_name"]): images},
                                precision, device)
    except compare.Refused as error:
        print(f"{name} {precision}: {error}", file=sys.stderr)
        return "refused"
    expected = reference["output"]
    if output.shape != expected.shape:
        return f"shape {output.shape}"
    same = np.mean(output.reshape(len(output), -1).argmax(1)
                   == expected.reshape(len(expected), -1).argmax(1))
    return f"{compare.relative_error(output, expected):.1e} ({100 * same:.0f} %)"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all")
    parser.add_argument("--command", default=ROOT / "build" / "tools" / "e2bird",
                        help="the e2bird command (default: build/tools/e2bird)")
    parser.add_argument("--device", help="as `e2bird run --device` takes it")
    parser.add_argument("--batch", type=int, default=4, help="images at once (default: 4; networks "
                        "whose batch is fixed keep theirs)")
    parser.add_argument("--save", type=pathlib.Path, metavar="FILE", help="only write references")
    parser.add_argument("--references", type=pathlib.Path, metavar="FILE", help="use saved ones")
    return parser.parse_args()


def main():
    options = arguments()
    saved = load(options.references) if options.references else None
    names = options.networks or (list(saved) if saved else all_networks())
    if options.save:
        save(options.save, {name: derive(name, options.batch) for name in names})
        return
    shown = subprocess.run([str(options.command), "devices"], capture_output=True, text=True)
    print(f"<!-- tools/accuracy_table.py; devices:\n{shown.stdout.strip()}\n-->")
    print(f"| network | images | {' | '.join(PRECISIONS)} |\n|---|---|{'---|' * len(PRECISIONS)}")
    for name in names:
        reference = saved[name] if saved else derive(name, options.batch)
        cells = [measure(options.command, name, reference, precision, options.device)
                 for precision in PRECISIONS]
        print(f"| {name} | {reference['shape'][0]} | {' | '.join(cells)} |", flush=True)
    print("\nRelative error of the output; in brackets, how many images have the same best class.")


if __name__ == "__main__":
    main()
