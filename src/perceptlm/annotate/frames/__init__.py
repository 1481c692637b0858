"""Which picture is meant: the frame table of an asset with its hash, pictures by number, and proxies for browsers.

Knows no item, no person and no server.
"""
