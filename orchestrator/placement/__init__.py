"""Which worker runs which job, and why: values and pure rules over them.

What belongs here decides; it asks no worker, no store and no clock. Those who do stand in ``dispatch/``.
"""
