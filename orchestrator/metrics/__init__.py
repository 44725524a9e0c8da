"""What the service tells of itself: Prometheus metrics and how well it keeps its promises of speed.

Nothing here decides anything: taking every meter away must change no job.
"""
