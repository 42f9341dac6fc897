"""
Values and rules of instant messaging: identifiers, sequences, people, conversations, messages, errors.

Standard library only; every other package may import this one.
"""
