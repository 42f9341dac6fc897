"""
Conversation logs in MongoDB, 5.0 or newer, on one server or a replica set.

Rows are the authority. One document of `messages` is one row; `streams` (heads), `sent` and `marks` follow the rows and are merged with
those above the head at every read. There are no transactions of several documents: an ordered insert keeps each stream dense instead.
"""

from __future__ import annotations
