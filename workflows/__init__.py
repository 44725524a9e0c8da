"""Versioned workflows: the file format, its digest, the library, binding of inputs, and validation.

The public names are imported from their modules: ``format.WorkflowVersion``, ``library.Library``, ``bind.bind``,
``bind.parse_cli``, ``validate.check``, ``validate.validate``, ``digest.digest``.
"""
