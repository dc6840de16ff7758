#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Plants one violation of each rule in a copy of a small house; check_house.py must find it."""
import pathlib, subprocess, sys, tempfile

scripts = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
HEAD = "// SPDX-FileCopyrightText: The dsr1 authors\n// SPDX-License-Identifier: Apache-2.0\n// A header that says why it exists.\n#pragma once\n"


def house(root):
    files = {
        "cmake/layers.txt": "core 0\nnn 4\nmoe 5\nattention 5\ncpu leaf core\ntesting open\n",
        "include/dsr1/core/a.hpp": HEAD, "include/dsr1/core.hpp": HEAD + "#include <dsr1/core/a.hpp>\n",
        "include/dsr1/moe/b.hpp": HEAD + "#include <dsr1/core/a.hpp>\n",
        "include/dsr1/moe.hpp": HEAD + "#include <dsr1/moe/b.hpp>\n",
        "include/dsr1/cpu/c.hpp": HEAD + "#include <dsr1/core/a.hpp>\n",
        "include/dsr1/cpu.hpp": HEAD + "#include <dsr1/cpu/c.hpp>\n",
        "include/dsr1/dsr1.hpp": HEAD + "#include <dsr1/core.hpp>\n#include <dsr1/cpu.hpp>\n#include <dsr1/moe.hpp>\n",
        "tests/core/a.cpp": "", "tests/moe/b.cpp": "", "tests/cpu/c.cpp": "",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def check(root):
    r = subprocess.run([sys.executable, str(scripts / "check_house.py"), str(root)], capture_output=True, text=True)
    return r.returncode, r.stdout


def append(name, text):
    return lambda root: (root / name).write_text((root / name).read_text() + text)


def replace(name, old, new):
    return lambda root: (root / name).write_text((root / name).read_text().replace(old, new))


def create(name, text=HEAD):
    def go(root):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return go


planted = [
    ("an include that points up", append("include/dsr1/core/a.hpp", "#include <dsr1/moe/b.hpp>\n"), "core may not include moe"),
    ("an include that points sideways", append("include/dsr1/moe/b.hpp", "#include <dsr1/attention/x.hpp>\n"), "moe may not include attention"),
    ("backend code in a layer", append("include/dsr1/moe/b.hpp", "#include <dsr1/cpu/c.hpp>\n"), "moe may not include cpu"),
    ("a leaf that includes a layer", append("include/dsr1/cpu/c.hpp", "#include <dsr1/moe/b.hpp>\n"), "cpu may not include moe"),
    ("a header of 401 lines", append("include/dsr1/moe/b.hpp", "//\n" * 396), "401 lines, at most 400"),
    ("an umbrella that misses a header", replace("include/dsr1/moe.hpp", "#include <dsr1/moe/b.hpp>\n", ""), "the umbrella misses moe/b.hpp"),
    ("an umbrella with code", append("include/dsr1/moe.hpp", "int x;\n"), "an umbrella holds includes only"),
    ("a foreign header in an umbrella", append("include/dsr1/moe.hpp", "#include <dsr1/core/a.hpp>\n"), "which is not its own"),
    ("an umbrella included by a header", append("include/dsr1/moe/b.hpp", "#include <dsr1/core.hpp>\n"), "includes the umbrella core.hpp"),
    ("a header without a test", create("include/dsr1/core/d.hpp"), "has no test tests/core/d.cpp"),
    ("a header without SPDX lines", replace("include/dsr1/core/a.hpp", "// SPDX-License-Identifier: Apache-2.0\n", ""), "not the SPDX header"),
    ("a header that does not say why", replace("include/dsr1/core/a.hpp", "// A header that says why it exists.", "#pragma once"), "line 3"),
    ("a folder that is not in the table", create("include/dsr1/attic/e.hpp"), "folder attic is not in"),
    ("a folder without an umbrella", create("include/dsr1/nn/f.hpp"), "the folder has no umbrella"),
    ("a name that ctest does not match", append("tests/core/a.cpp", 'TEST_CASE(\n    "a: b "\n    "c; d") {}\n'), "matches nothing and passes"),
    ("a test of 401 lines", append("tests/core/a.cpp", "//\n" * 401), "401 lines"),
]
failures = 0
with tempfile.TemporaryDirectory() as clean:
    house(pathlib.Path(clean))
    code, out = check(pathlib.Path(clean))
    if code != 0:
        print("the clean house has problems:\n" + out)
        failures += 1
for what, plant, sentence in planted:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        house(root)
        plant(root)
        code, out = check(root)
        if code == 0 or sentence not in out:
            print(f"not found: {what}; the output was:\n{out}")
            failures += 1
print(f"{len(planted)} violations planted, {failures} failures")
sys.exit(failures > 0)
