#!/usr/bin/env bash
# The lint: swift-format, then what it can't check: lengths, and a `///` on everything `package`.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
status=0

swift format lint --strict --parallel -r Sources Tests Package.swift || status=1

python3 - Sources <<'PYTHON' || status=1
import pathlib, re, sys

# Comments and string literals become blanks, so that braces and words in them don't count. Lines stay where they are.
SKIP = re.compile(r'//[^\n]*|/\*.*?\*/|(#*)"""(?:\\.|.)*?"""\1|(#+)"[^\n]*?"\2|"(?:\\.|[^"\\\n])*"', re.DOTALL)
FUNCTION = re.compile(r'(?<![\w.`])(func\s+[^\s(<]+|init[?!]?(?=[\s(<])|deinit\b|subscript(?=[\s(<]))')
CONTINUES = re.compile(r'\s*(->|where\b|throws\b|async\b|\{)')  # a signature, on its next line
# What a name and a type say already needs no sentence: stored properties, memberwise initialisers, what a protocol describes.
WITNESS = {"handlerAdded", "handlerRemoved", "run", "handle", "channelRead", "channelReadComplete", "write", "channelWritabilityChanged", "channelInactive", "log", "batch",
           "forEachRow", "execute", "enter", "flush", "announce", "allow", "begin", "commit", "rollback", "beginSavepoint", "endSavepoint", "makeCounter", "makeRecorder",
           "makeTimer", "destroyCounter", "destroyRecorder", "destroyTimer"}
# The same for the protocol of a kind of receiver.
KIND = {"body", "outgoing", "verdict", "store", "show", "problems", "signed"}
PACKAGE = re.compile(
    r'\s*(?:@[\w.]+(?:\([^)]*\))?\s+)*(?:(?:final|static|nonisolated|indirect|mutating|consuming)\s+)*package\s+'
    r'(?:(?:final|static|mutating|consuming|convenience)\s+)*(?:(?:struct|class|enum|protocol)\b|func\s+(\w+)|static\s+func\s+(\w+))')


def body(text, at):
    """Where the braces of the declaration at `at` open and close; None for a requirement of a protocol."""
    depth = 0
    for start in range(at, len(text)):
        char = text[start]
        depth += (char in "([") - (char in ")]")
        if depth == 0 and char == "{":
            break
        ends = char in "};" or char == "\n" and not CONTINUES.match(text, start)
        if depth < 0 or depth == 0 and ends:
            return None
    level = 0
    for end in range(start, len(text)):
        level += (text[end] == "{") - (text[end] == "}")
        if level == 0:
            return start, end
    return None


failed = False
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.swift")):
    source = path.read_text(encoding="utf-8")
    lines, text = source.split("\n"), SKIP.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source)
    if source.count("\n") > 400:
        print(f"{path}: error: over 400 lines")
        failed = True
    for match in FUNCTION.finditer(text):
        found = body(text, match.end())
        length = text.count("\n", *found) - 1 if found else 0
        if length > 40:
            line, kind = text.count("\n", 0, match.start()) + 1, "error" if length > 60 else "warning"
            print(f"{path}:{line}: {kind}: {match[0]}: {length} lines (60 at most, over 40 is worth a look)")
            failed |= length > 60
    for number, line in enumerate(text.split("\n")):
        above = number - 1
        # Attributes, and a `//` that says why, may stand in between.
        while above > 0 and re.match(r"\s*(@|//(?!/))", lines[above]):
            above -= 1
        found = PACKAGE.match(line)
        described = WITNESS | KIND if "Kinds" in path.parts else WITNESS
        if found and (found[1] or found[2]) not in described and not lines[above].lstrip().startswith("///"):
            print(f"{path}:{number + 1}: error: no `///` comment: {lines[number].strip()[:80]}")
            failed = True
sys.exit(failed)
PYTHON

[ "$status" = 0 ] && echo "lint: clean" || echo "lint: FAILED"
exit "$status"
