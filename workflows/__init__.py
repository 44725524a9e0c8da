"""Versioned workflows: the file format, its digest, the library, binding of inputs, and validation.

What belongs here reads, checks and changes graphs as values. Running one, and what a job is, does not. Names are
imported from their modules.
"""
