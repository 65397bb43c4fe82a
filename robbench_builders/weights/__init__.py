"""Weights in files: read, named as ours, kept after training, and evaluated.

    checkpoint ──files──▶ entries ──published──▶ Network ──evaluating──▶ outcomes ──▶ store
    training ──kept──▶ FOLDER/<key>.npz ──kept──▶ Network, not trained again

files.py        a checkpoint's content: a state_dict, published containers around one, or weights that were kept; never a pickle that runs code
published.py    the published names of NAS-Bench-201's tensors, in both spellings
loading.py      named tensors into a network, each checked against its place
kept.py         weights that a build keeps, with what they are of
evaluating.py   checkpoints, put through an evaluation, into a store

Source: Jung et al. (2023), algorithm 1: load weights, attack or corrupt, evaluate, store.
"""
