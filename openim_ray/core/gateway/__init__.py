"""
The gateway's machine: sessions of connections, requests that wait for answers, the order of pushes.
"""
