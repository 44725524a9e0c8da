"""The runner's stand-in for ComfyUI's public node interface, written from its documentation and behaviour.

Nothing of ComfyUI's own source belongs here, and nothing of the runner beside it is known here.
"""
