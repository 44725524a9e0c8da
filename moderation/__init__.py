"""Moderation: checkers report scores, a policy decides, a verdict says what was decided and why.

What belongs here judges a text or an image that it is given. What must not: making images, asking for keys, and what
becomes of something that was blocked; ``generation`` does that. Names are imported from their modules.
"""
