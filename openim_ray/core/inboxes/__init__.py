"""
The machine of users' inboxes: devices, unread and read positions, kicks.
"""
