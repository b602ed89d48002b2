"""The network: one block per file, put together in network.py."""
