"""WebSocket shell: listeners, connections and their send queues."""
