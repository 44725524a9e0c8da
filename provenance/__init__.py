"""Content credentials (C2PA): what a manifest says, the keys that sign it, signing, reading, and texts in image files.

What belongs here turns facts into a signed file and a file back into facts; deciding those facts (prices, verdicts,
privacy policy) and storing the files does not. Names are imported from their modules.
"""
