"""The store: one HDF5 file of one search space, format version 2.  The only package that knows the layout.

/                   attributes: format="robbench", format_version=2, space ("nb201"), default_dataset
/classes/key        (classes,)        S16      key of each class: what counts as the same architecture (see spaces/)
/classes/spec       (classes,)        S        its representative, as text: the evaluated one where the index is known, else the first
/exact/spec         (exact,)          S        each architecture that the store holds, as text
/exact/class        (exact,)          u4       its row in /classes
/exact/published_index (exact,)       u4       its index in the published benchmark; only where a source brought it
/metrics/<dataset>/<training>/<name>/<measure>
                    (rows, axes…)     u2|f4|f8|u1 one array; attributes:
                        rows          "class" or "exact": what its first axis runs over
                        axes          names of the other axes, in order: eps, severity, seed, epoch, label, …
                        <axis>        the values along that axis: eps in units of images in [0, 1], seeds as integers; none where it only counts
                        denominator   u2 only: the value is the code / denominator, exactly; the code 65535 is "not measured"
                        unit          of the values
                        provenance    JSON: source, citation, recipe
/surrogates/<dataset>/<training>/<target>
                    group             a fitted surrogate (see surrogates/):
    training_rows   (n,)              u4       rows in /classes or /exact that it was fitted on; attribute about, JSON: target, outputs,
                                               model and features with their versions, split, seed, scores, library versions
    calibration     (m, 2·outputs)    f4       of rows that it has not seen: predicted, then measured minus predicted
    model.<array>   as the model says          plain arrays, trees and networks alike; never a pickle
/manifest           scalar            JSON: the path of every dataset → sha256 of its type, shape, attributes and bytes; "/" → of the root attributes

Before the HDF5 content stand 512 bytes, the seal: length and checksums of what follows (see seal.py).  All arrays are plain: chunked or contiguous, inside the
file, packed by gzip, shuffle and fletcher32 only; all links are hard.  The file is written by the HDF5 library, and read without it (see hdf5.py), so that
nothing in it can crash or hang a reader, lead out of the file, or take more memory than the file explains.  Anything else is refused.

A store holds the rows that were put into it; an import may add more, and the arrays that were there are then padded with "not measured".  Outcomes are u1: eight
images a byte, the first in its highest bit.  Floats hold NaN where nothing was measured.  "/" in a name is written %2F.  Every chunk carries a fletcher32
checksum.  Groups that this version does not know are left alone, and kept when a store is extended.

Version 1, which is read as it is, and becomes version 2 when it is extended, was of NAS-Bench-201 only: /exact was /cells, "exact" was "cell", row numbers
were u2, the root attributes were not in the manifest, and there was no seal.

    layout.py      names and encodings
    arrays.py      Array, Header, Name: measurements under one name
    blockwise.py   arrays that are too large for memory
    rows.py        the rows of a store, or of what is put into one
    opening.py     what is checked before anything is read
    seal.py        the length and checksums of a file, before its HDF5 content
    hdf5.py        groups of HDF5 files, read without the HDF5 library; chunks.py arrays, objects.py attributes, structures.py and content.py what they stand on
    reading.py     Store
    verifying.py   verify: every byte
    writing.py     extend, put_surrogate: loaded only when something is written
    copying.py     copy: all of it into another file
    removal.py     remove: measurements taken out
    extension.py   rows joined, arrays added, compared, or filled
    files.py       copies of stores, datasets, the manifest
    atomic.py      files that appear whole or not at all
    locking.py     one writer at a time
    embedded.py    the store that ships with RobBench
"""

from robbench.store.layout import FORMAT, FORMAT_VERSION
from robbench.store.reading import Store
from robbench.store.verifying import verify

__all__ = ["FORMAT", "FORMAT_VERSION", "Store", "verify"]
