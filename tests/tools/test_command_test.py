"""tools/test.sh in a small tree of its own: what it prints last and what it exits with."""

import shutil
import unittest

from script_case import TOOLS, ScriptCase

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
message(STATUS "sanitizer '${E2B_SANITIZE}' in ${CMAKE_BUILD_TYPE}")
"""


class TestCommand(ScriptCase):
    def setUp(self):
        super().setUp()
        self.write("tools/install_packages.sh", "#!/bin/sh\n", 0o755)
        self.write("tools/python_env.sh", "#!/bin/sh\necho python3\n", 0o755)
        for name in ("test.sh", "test_results.py"):
            shutil.copy(TOOLS / name, self.root / "tools" / name)

    def run_tests(self, project, *arguments):
        """(exit code, last line, all output)"""
        self.write("CMakeLists.txt", PROJECT + project)
        code, output, _ = self.script(self.root / "tools/test.sh", *arguments)
        return code, output.splitlines()[-1], output

    def test_all_pass(self):
        code, last, output = self.run_tests("add_test(NAME a COMMAND true)\n")
        self.assertEqual((code, last), (0, "1 passed, 0 failed, 0 skipped"))
        self.assertIn("sanitizer '' in Release", output)
        self.assertTrue((self.root / "build").is_dir())

    def test_one_fails(self):
        code, last, _ = self.run_tests(
            "add_test(NAME a COMMAND true)\nadd_test(NAME b COMMAND false)\n")
        self.assertEqual((code, last), (1, "1 passed, 1 failed, 0 skipped"))

    def test_options_go_to_ctest(self):
        _, last, _ = self.run_tests(
            "add_test(NAME a COMMAND true)\nadd_test(NAME b COMMAND false)\n", "-R", "a")
        self.assertEqual(last, "1 passed, 0 failed, 0 skipped")

    def test_sanitizer_has_its_build(self):
        _, _, output = self.run_tests(
            "add_test(NAME a COMMAND true)\n", "--sanitizer", "address,undefined")
        self.assertIn("sanitizer 'address,undefined' in Debug", output)
        self.assertTrue((self.root / "build-address-undefined").is_dir())

    def test_a_build_that_breaks_is_a_failure(self):
        broken = "add_custom_target(broken ALL COMMAND false)\nadd_test(NAME a COMMAND true)\n"
        for project in (broken, "message(FATAL_ERROR no)\n"):
            code, last, _ = self.run_tests(project)
            self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_no_tests_are_a_failure(self):
        code, last, _ = self.run_tests("")
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_old_results_do_not_count(self):
        self.run_tests("add_test(NAME a COMMAND true)\n")
        code, last, _ = self.run_tests("message(FATAL_ERROR no)\n")
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_help_tells_the_options(self):
        code, output, _ = self.script("test.sh", "--help")
        self.assertEqual(code, 0)
        self.assertIn("--sanitizer", output)


if __name__ == "__main__":
    unittest.main()
