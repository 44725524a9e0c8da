"""Data: the shipped policies and the word list. A released version of a policy never changes."""
