"""A published trust list as a file of ours.

    python tools/trust_lists.py LIST.pem --name c2pa --use signing --title … --as-of 2026-08-13 \
        --source https://… --licence CC-BY-4.0 --attribution …

writes `provenance/trustlists/<name>.json`. The certificates stay as they are; the words between them are left out, and
one that stands twice is taken once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

FOLDER = Path(__file__).parents[1] / "provenance" / "trustlists"


def anchors(pem: bytes) -> list[dict[str, object]]:
    """Each certificate once, in the order of the list, with who it is and until when."""
    found: dict[bytes, dict[str, object]] = {}
    for each in x509.load_pem_x509_certificates(pem):
        text = each.public_bytes(serialization.Encoding.PEM).decode()
        about = {"subject": each.subject.rfc4514_string(), "until": f"{each.not_valid_after_utc:%Y-%m-%d}"}
        found.setdefault(each.fingerprint(hashes.SHA256()), {**about, "pem": text})
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pem", type=Path)
    for name in ("name", "title", "use", "as-of", "source", "licence", "attribution"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--note", default="")
    asked = parser.parse_args()
    pem = asked.pem.read_bytes()
    whole = {
        "name": asked.name,
        "title": asked.title,
        "use": asked.use,
        "as_of": asked.as_of,
        "source": asked.source,
        "source_sha256": hashlib.sha256(pem).hexdigest(),
        "licence": asked.licence,
        "attribution": asked.attribution,
        "changes": "As JSON; the words between the certificates are left out.",
        "note": asked.note,
        "anchors": anchors(pem),
    }
    FOLDER.joinpath(f"{asked.name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
