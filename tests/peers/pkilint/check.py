"""Shows every certificate, CRL and OCSP response under a directory to pkilint; a finding of ERROR or above fails.

The linters are called as their command line calls them, in one process: starting one for each of a hundred
objects would take a minute. Run by tests/peers/check with the Python that pkilint is installed in.
"""

import contextlib
import io
import json
import re
import sys
import tempfile
from pathlib import Path

from pkilint.bin import lint_crl, lint_ocsp_response, lint_pkix_cert, lint_pkix_signer_signee_cert_chain

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
# The least that must have been looked at: a checker shown nothing has nothing to complain of.
LABELS = Path(sys.argv[2])


def lint(name, linter, *arguments):
    """Prints one line for one object: what the linter of that name found, or that it could not read it."""
    output, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = linter.main(["lint", "-s", "ERROR", "-f", "JSON", *map(str, arguments)])
        results = json.loads(output.getvalue())["results"] if output.getvalue() else []
    except (Exception, SystemExit) as error:  # a file that is absent ends in the argument parser's SystemExit
        code, results = 1, []
        errors.write(repr(error))
    found = [f"{finding['severity']} {finding['code']} at {result['node_path']} {finding['message'] or ''}".strip()
             for result in results for finding in result["finding_descriptions"]]
    if code == 0 and not found:
        print(f"ok   pkilint: {name}")
    else:
        print(f"FAIL pkilint: {name}: {'; '.join(found) or ' '.join(errors.getvalue().split())}")


def lint_certificates(world, path):
    """A PEM file may hold a chain; each certificate in it is linted, by itself and with the one that signed it."""
    name = path.relative_to(world)
    certificates = PEM.findall(path.read_bytes()) if path.exists() else []
    if not certificates:
        print(f"FAIL pkilint: {name}: no certificate in it")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place, certificate in enumerate(certificates):
            file = Path(folder) / f"{place}.pem"
            file.write_bytes(certificate)
            files.append(file)
        for place, file in enumerate(files):
            lint(f"{name}#{place}" if len(files) > 1 else name, lint_pkix_cert, file)
        for subject, issuer in zip(files, files[1:]):
            lint(f"{name} link", lint_pkix_signer_signee_cert_chain, issuer, subject)


def main():
    world = Path(sys.argv[1])
    labels = [line.split("\t")[0] for line in LABELS.read_text().splitlines()]
    required = [world / "listener.pem"] + [world / f"certificates/{label}.{kind}" for label in labels for kind in ("crt", "chain.pem")]
    found = [path for folder in ("trust", "authorities", "responders") for path in (world / folder).glob("*.pem")]
    for path in required + sorted(found):
        lint_certificates(world, path)
    for path in sorted((world / "crl").rglob("*.crl")):
        lint(path.relative_to(world), lint_crl, "-t", "ARL" if path.name.startswith("root-") else "CRL", "-p", "PKIX", path)
    for path in sorted((world / "ocsp").glob("*.resp")):
        lint(path.relative_to(world), lint_ocsp_response, path)


main()
