"""Bytes on disk: whole files or none, and results spooled by digest. No meaning of the bytes is known here."""
