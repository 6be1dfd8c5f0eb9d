#!/usr/bin/env python3
"""Makes corpora for the fuzz targets of the public vectors: seed.py VECTORS CORPUS

VECTORS is the folder with malformed/*.jsonl; CORPUS gets a folder a target.
"""
import base64, hashlib, json, pathlib, sys

KINDS = {
    "cert": ["certificate", "certificate_file", "path"],
    "crl": ["crl", "evidence"],
    "csr": ["request"],
    "cms": ["signature", "certs_only", "time_stamp_token"],
    "ocsp-req": ["ocsp_request"],
    "ocsp-resp": ["ocsp_response", "evidence"],
}
MOST = 64 * 1024

vectors, corpus = map(pathlib.Path, sys.argv[1:])
for file in sorted(vectors.glob("malformed/*.jsonl")):
    for line in file.open(encoding="utf-8"):
        case = json.loads(line)
        octets = base64.b64decode(case["der"])
        for target in KINDS.get(case["kind"], []):
            if len(octets) <= MOST:
                (corpus / target).mkdir(parents=True, exist_ok=True)
                (corpus / target / hashlib.sha1(octets).hexdigest()).write_bytes(octets)
