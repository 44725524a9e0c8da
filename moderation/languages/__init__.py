"""What differs from language to language: how a text is cut into words, and by what a language is known.

What belongs here knows scripts and spelling, and no listed term. What must not: the terms themselves, which are data in
``policies/terms``, and what becomes of a match.
"""
