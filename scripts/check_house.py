#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of the house: levels, sizes, headings, umbrellas, a test for every header.

    scripts/check_house.py [ROOT]

Reads ROOT/cmake/layers.txt and prints one line per violation; exit status 1 when there is any.
"""
import pathlib, re, sys

MOST_LINES = 400
root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
include = root / "include/dsr1"
problems = []


def complain(path, what):
    problems.append(f"{path.relative_to(root)}: {what}")


levels, leaves, open_folders = {}, {}, set()
for line in (root / "cmake/layers.txt").read_text().splitlines():
    words = line.split("#")[0].split()
    if not words:
        continue
    if words[1] == "leaf":
        leaves[words[0]] = set(words[2:])
    elif words[1] == "open":
        open_folders.add(words[0])
    else:
        levels[words[0]] = int(words[1])
known = set(levels) | set(leaves) | open_folders


def may_include(folder, other):
    if folder == other:
        return True
    if folder in leaves:
        return other in leaves[folder]
    if other in leaves:
        return False
    if folder in open_folders:
        return True
    return other in levels and levels[other] < levels[folder]


headers = sorted(p for p in include.rglob("*") if p.suffix in (".hpp", ".inc", ".cuh"))
for path in headers:
    lines = path.read_text().splitlines()
    if len(lines) > MOST_LINES:
        complain(path, f"{len(lines)} lines, at most {MOST_LINES} are allowed")
    parts = path.relative_to(include).parts
    umbrella = len(parts) == 1
    body = parts[-1].endswith(".inc")
    if not body:
        if not (len(lines) > 2 and lines[0].startswith("// SPDX-FileCopyrightText:") and lines[1].startswith("// SPDX-License-Identifier:")):
            complain(path, "the first two lines are not the SPDX header")
        elif not re.match(r"// \S.{15,}", lines[2]):
            complain(path, "line 3 does not say why the header exists")
    included = [m.group(1) for line in lines if (m := re.match(r"\s*#\s*include\s*<dsr1/([^>]+)>", line))]
    if umbrella:
        name = parts[0].rsplit(".", 1)[0]
        code = [l for l in lines if l.strip() and not l.startswith("//") and not re.match(r"#(pragma once|include)", l)]
        if code:
            complain(path, f"an umbrella holds includes only, found: {code[0].strip()}")
        if name == "dsr1":
            wanted = {f"{f}.hpp" for f in known - open_folders - (set(leaves) - {"cpu"}) if any(include.glob(f"{f}/*.hpp"))}
        else:
            wanted = {f"{name}/{p.name}" for p in (include / name).glob("*.*h*") if p.suffix in (".hpp", ".cuh")}
        for missing in sorted(wanted - set(included)):
            complain(path, f"the umbrella misses {missing}")
        for foreign in sorted(set(included) - wanted):
            complain(path, f"the umbrella includes {foreign}, which is not its own")
        continue
    folder = parts[0]
    if folder not in known:
        complain(path, f"folder {folder} is not in cmake/layers.txt")
        continue
    for other in included:
        target = other.split("/")[0]
        if "/" not in other:
            complain(path, f"includes the umbrella {other}")
        elif not may_include(folder, target):
            complain(path, f"{folder} may not include {target} ({other})")
        elif not (include / other).exists():
            complain(path, f"includes {other}, which does not exist")
    if not body and len(parts) == 2:
        stem = path.stem
        test = root / "tests" / folder / f"{stem}.cpp"
        if folder == "backend" and stem.endswith("_ops"):
            test = root / "tests/cpu" / f"{stem}.cpp"
        if not test.exists():
            complain(path, f"has no test {test.relative_to(root)}")
for folder in sorted(known):
    if any((include / folder).glob("*.hpp")) and not any((include / (folder + end)).exists() for end in (".hpp", ".cuh")):
        problems.append(f"include/dsr1/{folder}.hpp: the folder has no umbrella")
for path in sorted(root.rglob("*")):
    if path.suffix in (".cpp", ".py", ".sh", ".hpp", ".h", ".cuh", ".cmake") and path.is_file() and "include" not in path.relative_to(root).parts[:1] \
            and not any(p.startswith("build") or p in (".git", "golden") for p in path.relative_to(root).parts):
        n = len(path.read_text(errors="replace").splitlines())
        if n > MOST_LINES:
            complain(path, f"{n} lines, at most {MOST_LINES} are allowed")
for path in sorted([*(root / "tests").rglob("*.cpp"), *(root / "examples").rglob("*.cpp")]):
    for name in re.findall(r'TEST_CASE\w*\(\s*((?:"[^"]*"\s*)+)', path.read_text()):
        if ";" in name:
            complain(path, f'ctest cannot run the test {name}: a name with ";" matches nothing and passes')
for p in problems:
    print(p)
print(f"{len(headers)} headers, {len(problems)} problems")
sys.exit(1 if problems else 0)
