"""The whole service, put together: what is opened, in which order, and closed again.

What its parts do stands in their own rooms (``jobs``, ``dispatch``, ``api``, ``access``, ``webhooks``, ``releases``).
"""
