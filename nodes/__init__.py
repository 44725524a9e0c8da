"""The palette: V3 nodes, each a schema and a short ``execute``, and the worker route beside them.

What a node does is written in ``generation/`` and below; here it is only connected to ComfyUI. Nothing in this folder
is imported by anything but the pack's entry point and the runner.
"""
