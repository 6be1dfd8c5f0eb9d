"""Holds the dependency tree to deny.toml (licences, bans, sources) without cargo-deny, which takes longer to build than Hufu.

Reads `cargo tree --prefix none --format "{l}|{p}"` from standard input: `cargo metadata` also names crates that only a
feature nobody enables would bring (rust-lang/cargo#10801). It knows the part of deny.toml that we use; cargo-deny itself
has the last word, in `./test.sh --long` and wherever it is installed.
"""

import re
import sys
import tomllib


def satisfied(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences. `/` is how old manifests wrote OR."""
    words = re.findall(r"\(|\)|[^\s()/]+|/", expression.replace("/", " OR "))

    def alternatives():
        met = conjunction()
        while words and words[0] == "OR":
            words.pop(0)
            met = conjunction() or met
        return met

    def conjunction():
        met = term()
        while words and words[0] == "AND":
            words.pop(0)
            met = term() and met
        return met

    def term():
        word = words.pop(0)
        if word == "(":
            met = alternatives()
            words.pop(0)
            return met
        if words and words[0] == "WITH":
            word = f"{word} {words.pop(0)} {words.pop(0)}"
        return word in allowed

    return alternatives()


def main():
    rules = tomllib.load(open(sys.argv[1], "rb"))
    allowed = set(rules["licenses"]["allow"])
    banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
    packages, problems = set(), []
    for line in sys.stdin:
        licence, package = line.rstrip("\n").split("|", 1)
        # What follows name and version in brackets is where it comes from, unless that is crates.io.
        name, version, *notes = package.replace(" (*)", "").replace(" (proc-macro)", "").split(" ", 2)
        if (name, version) in packages:
            continue
        if name in banned:
            problems.append(f"{name} {version} is banned: {banned[name]}")
        if not licence or not satisfied(licence, allowed):
            problems.append(f"{name} {version} has the licence {licence or 'that it does not name'}")
        if notes and packages:  # the first line is Hufu itself, from this folder
            problems.append(f"{name} {version} comes from {notes[0]}")
        packages.add((name, version))
    for problem in problems:
        print(f"deny.toml: {problem}")
    print(f"{len(packages)} packages, {len(problems)} against deny.toml")
    return 1 if problems or not packages else 0


sys.exit(main())
