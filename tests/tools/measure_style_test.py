"""tools/measure_style on small files whose functions were counted by hand."""

import unittest

from script_case import ScriptCase


def function(name, lines):
    return f"int {name}(int a,\n    int b) {{\n" + "    a++;\n" * (lines - 3) + "}\n"


class MeasureStyle(ScriptCase):
    def measure(self, text, name="runtime/a.c"):
        self.write(name, text)
        return self.script("measure_style", self.root)

    def test_median_and_largest_are_printed(self):
        code, output, _ = self.measure(function("f", 5) + function("g", 11) + function("h", 20))
        self.assertEqual(code, 0)
        self.assertRegex(output, r"functions +3 +median +11 .* largest +20 +runtime/a\.c:17 h\n")

    def test_a_long_function_is_an_error(self):
        code, output, _ = self.measure("\n" + function("f", 81))
        self.assertEqual(code, 1)
        self.assertIn("runtime/a.c:2: f has 81 lines; the cap is 80\n", output)
        self.assertEqual(self.measure(function("f", 80))[0], 0)

    def test_tables_are_not_counted(self):
        table = "    static const int table[] = {\n" + "        1,\n" * 100 + "    };\n"
        self.assertEqual(self.measure("int f(void) {\n" + table + "}\n")[0], 0)
        code, output, _ = self.measure("static const int t[] = {\n" + "    1,\n" * 100 + "};\n")
        self.assertEqual(code, 0)
        self.assertRegex(output, "functions +none")

    def test_types_and_declarations_are_no_functions(self):
        _, output, _ = self.measure("struct a {\n    int (*f)(void);\n};\nint g(int);\n"
                                    "static const int t[] = {\n    1, 2};\n" + function("h", 4))
        self.assertRegex(output, r"functions +1 .* runtime/a\.c:7 h\n")

    def test_a_long_file_is_an_error(self):
        code, output, _ = self.measure("\n" * 1001)
        self.assertEqual(code, 1)
        self.assertIn("runtime/a.c:1001: has 1001 lines; the cap is 1000", output)


if __name__ == "__main__":
    unittest.main()
