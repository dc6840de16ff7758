#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Code in README.md and docs/ is a quotation of code that a test or an example runs.

A block

    <!-- quote: examples/01_one_layer.cpp#layer -->
    ```cpp
    ...
    ```

must equal the lines between `// [layer]` and `// [/layer]` in that file, without their common
indentation. A C++ block without such a line is an error unless `<!-- sketch -->` stands before it.

    scripts/quote_docs.py [--write]     --write brings the blocks up to date
"""
import pathlib, re, sys, textwrap

root = pathlib.Path(__file__).resolve().parent.parent
write = "--write" in sys.argv[1:]
problems, quotes = [], 0
BLOCK = re.compile(r"(?P<before>^<!--[^\n]*-->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)


def quoted(reference):
    name, _, marker = reference.partition("#")
    path = root / name
    if not path.exists():
        return None, f"no file {name}"
    m = re.search(rf"^[ \t]*// \[{re.escape(marker)}\]\n(.*?)^[ \t]*// \[/{re.escape(marker)}\]$", path.read_text(), re.M | re.S)
    if not m:
        return None, f"no marker [{marker}] in {name}"
    lines = [l for l in m.group(1).splitlines() if not re.match(r"\s*// \[/?\w+\]$", l)]
    return textwrap.dedent("\n".join(lines)) + "\n", None


for page in [root / "README.md"] + sorted((root / "docs").glob("*.md")):
    if not page.exists():
        continue
    text = page.read_text()

    def check(m):
        global quotes
        before = (m.group("before") or "").strip()
        line = text[:m.start()].count("\n") + 1
        reference = re.match(r"<!-- quote: (\S+) -->", before)
        if not reference:
            if m.group("language") in ("cpp", "c++") and before != "<!-- sketch -->":
                problems.append(f"{page.name}:{line}: a C++ block that quotes nothing")
            return m.group(0)
        wanted, problem = quoted(reference.group(1))
        if problem:
            problems.append(f"{page.name}:{line}: {problem}")
            return m.group(0)
        quotes += 1
        if m.group("body") != wanted and not write:
            problems.append(f"{page.name}:{line}: differs from {reference.group(1)}; run scripts/quote_docs.py --write")
        return f"{m.group('before')}```{m.group('language')}\n{wanted}```"

    new = BLOCK.sub(check, text)
    if write and new != text:
        page.write_text(new)
        print("wrote", page.name)
for p in problems:
    print(p)
print(f"{quotes} quotations, {len(problems)} problems")
sys.exit(1 if problems else 0)
