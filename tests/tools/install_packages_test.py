"""tools/install_packages.sh with stand-ins for the programs that it calls."""

import unittest

from script_case import ScriptCase

INSTALLED = "#!/bin/sh\nfor last; do :; done\n[ \"$last\" != \"$MISSING\" ] && printf installed\n"


class InstallPackages(ScriptCase):
    def setUp(self):
        super().setUp()
        self.write("dpkg-query", INSTALLED, 0o755)
        self.write("apt-get", f'#!/bin/sh\necho "$@" >> {self.root}/calls\n', 0o755)

    def install(self, *arguments, missing="none", user=0):
        self.write("id", f"#!/bin/sh\necho {user}\n", 0o755)
        # Only the stand-ins are in PATH: a sudo of the machine is not found
        return self.script("install_packages.sh", *arguments,
                           env={"PATH": str(self.root), "MISSING": missing})

    def calls(self):
        path = self.root / "calls"
        return path.read_text() if path.exists() else ""

    def test_nothing_is_done_when_all_are_there(self):
        self.assertEqual(self.install(), (0, "", ""))
        self.assertEqual(self.calls(), "")

    def test_only_what_is_missing_is_installed(self):
        code, output, _ = self.install(missing="libyaml-dev")
        self.assertEqual((code, output), (0, "Installing: libyaml-dev\n"))
        self.assertEqual(self.calls().splitlines()[-1],
                         "install -y -qq --no-install-recommends libyaml-dev")

    def test_dry_run_only_tells(self):
        self.assertEqual(self.install("--dry-run", missing="curl"), (0, "missing: curl\n", ""))
        self.assertEqual(self.calls(), "")

    def test_others_than_root_use_sudo(self):
        self.write("sudo", '#!/bin/sh\necho sudo >> "$(dirname "$0")/calls"\nexec "$@"\n', 0o755)
        self.write("dirname", f"#!/bin/sh\necho {self.root}\n", 0o755)
        self.assertEqual(self.install(missing="curl", user=1000)[0], 0)
        self.assertIn("sudo\ninstall -y", self.calls())

    def test_without_root_and_sudo_the_command_is_told(self):
        code, _, error = self.install(missing="curl", user=1000)
        self.assertEqual(code, 1)
        self.assertIn("apt-get install curl\n", error)
        self.assertEqual(self.calls(), "")


if __name__ == "__main__":
    unittest.main()
