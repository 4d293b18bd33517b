"""tools/check_clang on builds of one file."""

import json
import shutil
import unittest

from script_case import ScriptCase


class CheckClang(ScriptCase):
    def check(self, text, options="-std=gnu11 -Wall -Werror"):
        source = self.write("a.c", text)
        self.write("build/compile_commands.json", json.dumps([
            {"directory": str(self.root), "file": str(source),
             "command": f"gcc {options} -O2 -o a.o -c {source}"}]))
        code, output, _ = self.script("check_clang", self.root / "build")
        return code, output

    def setUp(self):
        super().setUp()
        if not shutil.which("clang"):
            self.skipTest("clang is not installed")

    def test_nothing_is_wrong_and_nothing_written(self):
        self.assertEqual(self.check("int f(int x);\nint f(int x) { return x; }\n"),
                         (0, "clang finds nothing in 1 files\n"))
        self.assertFalse((self.root / "a.o").exists())

    def test_what_only_clang_sees(self):
        code, output = self.check(
            "#define TWICE(x) (x) + (x)\nint f(int i);\nint f(int i) { return TWICE(i += 1); }\n")
        self.assertEqual(code, 1)
        self.assertIn("unsequenced", output)

    def test_system_headers_stay_so(self):
        self.write("system/odd.h", "static int unused(int x) { return x + 0 * (x += 1); }\n")
        self.assertEqual(self.check("#include <odd.h>\nint f(int x);\nint f(int x) { return x; }\n",
                                    f"-Wall -Werror -isystem {self.root}/system")[0], 0)


if __name__ == "__main__":
    unittest.main()
