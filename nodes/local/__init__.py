"""Sampling on this machine: checkpoints, diffusers pipelines, what is added to them, and the memory they share.

Here belongs what needs torch, diffusers or spandrel, and the plain values that describe it. What a node looks like
(``comfy_api``) does not: those are in ``nodes/``, beside the hosted ones. Nor does anything that knows money, records
or moderation: a local image goes through the same service as a hosted one. torch and diffusers are imported inside
functions: the palette must load without them.

Where to look:

- what is asked for: ``recipe``, ``asking`` (limits and defaults), ``handing`` (floats past the service), ``prompts``
- files, without torch: ``headers``, ``checkpoints``, ``families``, ``recognizing``, ``few_step``, ``layouts``,
  ``configs``, ``versions``, ``rows`` (as models of a combo), ``lora_files``, ``embedding_files``, ``image_models``
- into memory: ``slot``, ``memory``, ``comfy_memory``, ``loading``, ``indexes``, ``single_file``, ``original``,
  ``control_nets``
- at work: ``maker`` (what the provider ``local`` calls), ``sampling``, ``calls``, ``schedulers``, ``adapters``,
  ``controls``, ``latents``, ``pictures``, ``previews``, ``measuring``
- on finished pictures: ``upscaling``, ``tiles``; ``faces``, ``finding``, ``aligning``
"""
