"""Bytes and rows on disk: whole files or none, results spooled by digest, databases and their transactions.

No meaning of what is kept is known here: which tables there are and what a file stands for is said by its owner.
"""
