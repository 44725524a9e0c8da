"""Classifiers from a path that the user names: an ONNX or transformers model, described by a small JSON file beside it.

Here belongs what reads such a description, holds a model against it and asks the model. Not here: what a score means
(:mod:`..policy`), and checkers that ask somebody else.
"""
