"""OpenIM wire format, sans-I/O: bytes in, values and bytes out."""
