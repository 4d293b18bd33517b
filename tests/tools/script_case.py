"""A unittest case with a folder of its own, in which scripts of tools/ run."""

import pathlib
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"


class ScriptCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def script(self, name, *arguments, **options):
        """(exit code, standard output, standard error)"""
        done = subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True,
                              timeout=60, check=False, **options)
        return done.returncode, done.stdout, done.stderr
