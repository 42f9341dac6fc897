"""
Redis as hot copy of token states and read positions. It is the only copy of nothing: emptied, old or away, all goes on without it.
"""
