"""Apps that no catalog lists: what their providers publish of their inputs, read as a model of ours.

What belongs here: schemas, how to check a value against one, and where each vendor's documents keep them. What does
not: calling an app, which its vendor's adapter does as for any model, and keeping documents (``generation/apps.py``).
"""
