"""Trust lists as they were published, one JSON file each: its date, source and licence, and the certificates.

What belongs here is other people's data, and nothing that reads it. `python tools/trust_lists.py` makes a file of what
a publisher offers; docs/credentials.md says what each list is.
"""
