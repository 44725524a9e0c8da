"""Sampling on this machine: checkpoints, diffusers pipelines, what is added to them, and the memory they share.

Here belongs what needs torch, diffusers or spandrel, and the plain values that describe it. What a node looks like
(``comfy_api``) does not: those are in ``nodes/``, beside the hosted ones. Nor does anything that knows money, records
or moderation: a local image goes through the same service as a hosted one. torch and diffusers are imported inside
functions: the palette must load without them.
"""
