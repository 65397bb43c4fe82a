"""What a build gives: one shard a unit, all shards in one store, and a store checked by building some of it again.

shards.py   a unit's result in a file
merge.py    shards → store
verify.py   units of a store, built again
"""
