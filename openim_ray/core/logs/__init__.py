"""
The machine of the homes of conversations: admission, numbering, what is in flight to the store.
"""
