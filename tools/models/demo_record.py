"""Writes tools/models/demo_record.json: what the photograph of the demo shows according to ONNX
Runtime, from the same bytes of network and photograph. tools/demo.sh compares its answer with it."""

import json
import pathlib

import numpy as np
import onnxruntime
from PIL import Image

import efficientnet_lite0
import packages

RECORD = pathlib.Path(__file__).with_name("demo_record.json")
RESIZE, CROP = 256, 224


def image_pixels(path):
    """The middle of an image as uint8 (CROP, CROP, 3), its short side scaled to RESIZE first."""
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    image = image.resize([side * RESIZE // short for side in image.size], Image.Resampling.BILINEAR)
    left, top = [round((side - CROP) / 2) for side in image.size]
    return np.asarray(image.crop((left, top, left + CROP, top + CROP)))


def image_tensor(pixels):
    """float32 (1, 3, H, W) as the network takes it."""
    values = (pixels.astype(np.float32) - efficientnet_lite0.MEAN) * efficientnet_lite0.SCALE
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def derive(folder=packages.MODELS):
    network, labels, photo = efficientnet_lite0.prepare(folder)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"image": image_tensor(image_pixels(photo))})[0]
    names = labels.read_text().splitlines()
    best = np.argsort(-probabilities)[:5]
    return {"photograph": packages.PHOTOGRAPH.sha256, "weights": packages.EFFICIENTNET_LITE0.sha256,
            "best": [{"index": int(index), "label": names[index],
                      "probability": round(float(probabilities[index]), 4)} for index in best]}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(derive(), indent=2) + "\n")
    print(RECORD.read_text(), end="")
