"""A build on a Dask cluster: workers compute, and the process that asks is the only one that writes.

client.py        the process that asks: finds fit workers, hands out units, writes what comes back
worker.py        what runs on a worker
"""
