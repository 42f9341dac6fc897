"""
The state machines of the broker: plain, synchronous, clock-free.

Time is an argument, randomness and input/output are somebody else's: a machine is told what happened and leaves behind
what is to be sent (`outgoing`) and to be read (`loads`). The actors perform that on Ray, `tests/simulation` in one thread.
"""
