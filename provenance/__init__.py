"""Content credentials (C2PA): what a manifest says, the keys that sign it, signing, reading, and PNG text chunks.

What belongs here turns facts into a signed file and a file back into facts; deciding those facts (prices, verdicts,
privacy policy) and storing the files does not.
"""

from __future__ import annotations

from .credential import Credential
from .manifest import ImageFacts, Ingredient, Manifest
from .reading import read
from .signing import CredentialSigner

# `keys` is not imported here: it needs `cryptography`, and only what signs needs it.
__all__ = ["Credential", "CredentialSigner", "ImageFacts", "Ingredient", "Manifest", "read"]
