"""
The WebSocket side of a gateway: sockets, frames, and the process in which the hub (`core/gateway/hub.py`) lives.
"""
