"""The runner's stand-in for ComfyUI's public node interface. Written from its documentation and behaviour."""
