"""
The persistence actor's machine: the order of writes, and their batches.
"""
