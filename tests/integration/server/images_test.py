"""Pictures as bodies, checked against the field's own decoding and resizing."""

import io
import json

import numpy as np
import pytest
from conftest import error_of
from PIL import Image


def photo(width, height, mode="RGB"):
    """Smooth, so that JPEG keeps it."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 127 + 90 * np.sin(x / 9)], -1)
    return Image.fromarray(pixels.astype(np.uint8), "RGB").convert(mode)


def encode(image, kind):
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 98, "subsampling": 0} if kind == "JPEG" else {}))
    return out.getvalue()


def expected(image):
    """Short side to 24, then the middle 16 x 16; the model takes the mean of each colour."""
    width, height = image.size
    short = min(width, height)
    image = image.convert("RGB").resize(
        (width * 24 // short, height * 24 // short), Image.Resampling.BILINEAR
    )
    left, top = (round((side - 16) / 2) for side in image.size)
    return np.asarray(image)[top : top + 16, left : left + 16].astype(float).mean((0, 1))


def scores(server, data, kind, query="?top=0"):
    answer = server.ask(
        "POST", f"/v2/models/pixels/infer{query}", data, {"Content-Type": f"image/{kind}"}
    )
    assert answer[0] == 200, answer[2]
    return json.loads(answer[2])["outputs"][0]


@pytest.mark.parametrize("size", [(16, 16), (24, 24), (40, 31), (33, 200), (640, 480), (5, 7)])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_pictures(server, size, kind):
    image = photo(*size)
    output = scores(server, encode(image, kind.upper()), kind)
    assert output["shape"] == [1, 3] and output["datatype"] == "FP32"
    np.testing.assert_allclose(output["data"], expected(image), atol=1.0 if kind == "png" else 3.0)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_kinds_of_png(server, mode):
    image = photo(48, 40, mode)
    output = scores(server, encode(image, "PNG"), "png")
    np.testing.assert_allclose(output["data"], expected(image), atol=1.0)


def test_grey_jpeg(server):
    image = photo(48, 40, "L")
    np.testing.assert_allclose(
        scores(server, encode(image, "JPEG"), "jpeg")["data"], expected(image), atol=3.0
    )


def test_same_as_the_tensor(server):
    """A picture that needs no resizing gives what its pixels give."""
    image = photo(24, 24)
    middle = np.asarray(image)[4:20, 4:20]
    document = {
        "inputs": [
            {"name": "image", "shape": [1, 16, 16, 3], "datatype": "UINT8", "data": middle.tolist()}
        ]
    }
    code, _, body = server.infer("pixels", document)
    assert code == 200
    tensor = json.loads(body)["outputs"][0]["data"]
    assert scores(server, encode(image, "PNG"), "png")["data"] == pytest.approx(tensor, rel=1e-6)


def test_labels(server):
    data = encode(Image.new("RGB", (30, 30), (10, 200, 90)), "PNG")
    output = scores(server, data, "png", "")
    assert output["datatype"] == "BYTES" and output["shape"] == [1, 3]
    assert [row.split(":", 1)[1] for row in output["data"]] == ["1:green", "2:blue", "0:red"]
    assert scores(server, data, "png", "?top=1")["data"] == output["data"][:1]


def test_refused(server):
    def send(data, kind="image/jpeg", path="/v2/models/pixels/infer"):
        return server.ask("POST", path, data, {"Content-Type": kind})

    good = encode(photo(64, 64), "JPEG")
    error_of(send(b""), 400)
    error_of(send(b"nonsense"), 400)
    error_of(send(good[: len(good) // 2]), 400)
    error_of(send(encode(photo(64, 64), "PNG")[:200], "image/png"), 400)
    error_of(send(good, "image/webp"), 415)
    error_of(send(good, path="/v2/models/pair/infer"), 415)
    error_of(send(good, path="/v2/models/pixels/infer?top=x"), 400)
    wide = encode(Image.new("1", (20000, 20000)), "PNG")  # 50 kB that would be 1.6 GB
    error_of(send(wide, "image/png"), 413)
    server.wait_for_free_slots("pixels", 16)
    assert send(good)[0] == 200
