"""Telling others: what is to be delivered, how it is signed, and who may be called at all.

What happened is written down with it, in its transaction (:mod:`outbox`); a side task delivers it at least once
(:mod:`sender`). :mod:`targets` guards every URL that a caller names, those of pictures too. What a job looks like when
it is told of is the API's to say.
"""
