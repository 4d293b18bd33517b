"""tools/check_layers on small trees, each with one broken rule."""

import unittest

from script_case import ScriptCase


class CheckLayers(ScriptCase):
    def check(self, name, text, tested=True):
        """Output for a tree of one file (and its test), as lines."""
        self.write(name, text)
        if tested and name.endswith(".c"):
            self.write(f"tests/{name[:-2]}_test.c", "int main(void) {}\n")
        code, output, _ = self.script("check_layers", self.root)
        lines = output.splitlines()
        self.assertEqual(code, 0 if lines == ["every rule holds"] else 1)
        return lines

    def assert_clean(self, name, text):
        self.assertEqual(self.check(name, text), ["every rule holds"])

    def assert_broken(self, name, text, expected):
        lines = self.check(name, text)
        self.assertEqual(len(lines), 2, lines)
        self.assertTrue(lines[0].startswith(f"{name}:{expected}"), lines[0])

    def test_opencl_headers_stay_in_their_backend(self):
        self.assert_broken("runtime/pool/a.c", "\n#include <CL/cl.h>\n", "2: includes CL/cl.h")

    def test_opencl_backend_may_include_its_headers(self):
        self.assert_clean("backends/opencl/a.c", "#include <CL/cl.h>\n#include <clblast_c.h>\n")

    def test_scheduler_knows_base_only(self):
        self.assert_broken("sched/a.c", '#include "runtime/pool/pool.h"\n',
                           "1: includes runtime/pool/pool.h; sched may include runtime/base")

    def test_scheduler_may_include_base_and_itself(self):
        self.assert_clean("sched/a.c", '#include "sched/a.h"\n#include "runtime/base/text.h"\n')

    def test_base_knows_the_c_library_and_hwloc(self):
        self.assert_clean("runtime/base/a.c", "#include <hwloc.h>\n#include <sys/mman.h>\n")

    def test_base_knows_nothing_else(self):
        self.assert_broken("runtime/base/a.c", "#include <yaml.h>\n", "1: includes <yaml.h>")

    def test_a_folder_with_a_similar_name_is_another(self):
        self.assert_broken("sched/a.c", '#include "runtime/baseline/x.h"\n', "1: includes")

    def test_vendors_are_named_in_profiles_only(self):
        self.assert_broken("runtime/engine/a.c", "/* for NVIDIA */\n", "1: names NVIDIA")

    def test_vendors_may_be_named_by_their_profile_and_needs(self):
        self.write("kernels/gemm.cl", "/* needs: ptx, NVIDIA sm_80 */\n")
        self.write("configs/tuning/a.yaml", "device: AMD\n")
        self.assert_clean("backends/opencl/profile.c", '"NVIDIA"\n')

    def test_a_package_name_is_no_vendor(self):
        self.assert_clean("runtime/engine/a.c", '"apt-get install pocl-opencl-icd"\n')

    def test_long_files_are_found(self):
        self.assert_broken("kernels/a.h", "\n" * 201, "201: has 201 lines; the cap is 200")
        (self.root / "kernels/a.h").unlink()
        self.assert_broken("kernels/a.cl", "\n" * 401, "401: has 401 lines; the cap is 400")
        (self.root / "kernels/a.cl").unlink()
        self.assert_broken("kernels/a.c", "\n" * 1001, "1001: has 1001 lines; the cap is 1000")

    def test_a_source_needs_a_test(self):
        lines = self.check("runtime/pool/a.c", "\n", tested=False)
        self.assertEqual(
            lines[0], "runtime/pool/a.c:1: has no test; add tests/runtime/pool/a_test.c")

    def test_one_test_may_serve_a_folder(self):
        self.write("tests/kernels/norm_test.c", "\n")
        self.assertEqual(self.check("kernels/norm/a.c", "\n", tested=False), ["every rule holds"])
        self.write("tests/backends/x/conformance_test.c", "\n")
        self.assertEqual(self.check("backends/x/b.c", "\n", tested=False), ["every rule holds"])


if __name__ == "__main__":
    unittest.main()
