"""
People and hot state in tables: the same code over every relational database.

The stores work through `database.Database`; `storage.sqlite` and `storage.postgres` bring one each.
"""

from __future__ import annotations
