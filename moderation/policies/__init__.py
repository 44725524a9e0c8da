"""Data: the shipped policies and the word list. No code; a released version of a policy never changes."""
