"""tools/check_documents on small trees: what is named must be there."""

import unittest

from script_case import ScriptCase


class CheckDocuments(ScriptCase):
    def check(self, text, name="README.md"):
        self.write("runtime/pool/pool.c", "void e2b_pool_move(void) {}\n")
        self.write("configs/demo.yaml", "models: []\n")
        self.write(name, text)
        code, output, _ = self.script("check_documents", self.root)
        lines = output.splitlines()
        self.assertEqual(code, 0 if lines == ["every document holds"] else 1)
        return lines

    def test_what_is_there(self):
        self.assertEqual(self.check(
            "[a](configs/) [b](configs/demo.yaml#x) [c](https://example.org/none) [d](#here)\n"
            "`runtime/pool/pool.c`, the module `runtime/pool/pool`, `configs/*.yaml`\n"
            "`e2b_pool_move`, all of `e2b_pool`, any `e2b_<module>_<verb>`, `runtime/<module>/x.c`\n"),
            ["every document holds"])

    def test_links_are_relative_to_their_document(self):
        self.assertEqual(self.check("[a](../configs/demo.yaml)\n", "docs/a.md"),
                         ["every document holds"])
        self.assertEqual(self.check("x\n[a](configs/demo.yaml)\n", "docs/a.md"),
                         ["docs/a.md:2: links to configs/demo.yaml, which is not there"])

    def test_files_that_are_gone(self):
        self.assertEqual(self.check("\nsee `runtime/pool/ring.c`\n"),
                         ["README.md:2: names runtime/pool/ring.c, which is not there"])
        self.assertEqual(self.check("see `configs/*.toml`\n"),
                         ["README.md:1: names configs/*.toml, which is not there"])

    def test_functions_that_are_gone(self):
        self.assertEqual(self.check("`e2b_pool_moved`\n"),
                         ["README.md:1: names e2b_pool_moved, which is nowhere in the code"])


if __name__ == "__main__":
    unittest.main()
