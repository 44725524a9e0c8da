"""Which workers there are, what each can do, and how it stands: taking jobs, drained, or left alone for a while.

What runs on a worker is known to ``dispatch``, and which job it gets is decided in ``placement``.
"""
