"""
Groups (OpenIM wire, §6.5, §6.6): made, entered, left, changed, ended, looked up.

Each change is one transaction of the directory (`services.changes`) that decides by what it reads there; `authority` has who may do what.
"""
