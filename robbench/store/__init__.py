"""The store: one HDF5 file, format version 1.  The only package that knows the layout.

/                   attributes: format="robbench", format_version=1, space="nb201", default_dataset
/classes/key        (6466,)           S16      key of each isomorphism class (see spaces/identity.py)
/classes/spec       (6466,)           S        arch string of the representative: the evaluated cell where the index is known
/cells/spec         (15625,)          S        arch string of each exact cell
/cells/class        (15625,)          u2       row in /classes
/cells/published_index (15625,)       u2       index of the cell in NAS-Bench-201; only where a source brought it
/metrics/<dataset>/<training>/<name>/<measure>
                    (rows, axes…)     u2|f4|f8|u1 one array; attributes:
                        rows          "class" or "cell": what its first axis runs over
                        axes          names of the other axes, in order: eps, severity, seed, label, prediction, …
                        <axis>        the values along that axis: eps in units of images in [0, 1], seeds as integers; none where it only counts
                        denominator   u2 only: the value is the code / denominator, exactly; the code 65535 is "not measured"
                        unit          of the values
                        provenance    JSON: source, citation, recipe
/surrogates/<dataset>/<training>/<target>
                    group             a fitted surrogate (see surrogates/):
    training_rows   (n,)              u2       rows in /classes or /cells that it was fitted on; attribute about, JSON: target, outputs,
                                               model and features with their versions, split, seed, scores, library versions
    calibration     (m, 2·outputs)    f4       of rows that it has not seen: predicted, then measured minus predicted
    model.<array>   as the model says          plain arrays; xgboost's UBJSON as u1; never a pickle
/manifest           scalar            JSON: the path of every dataset → sha256 of its type, shape, attributes and bytes

Outcomes are u1: eight images a byte, the first in its highest bit.  Floats hold NaN where nothing was measured.  "/" in a name is written %2F.  Every chunk carries a fletcher32 checksum.  Groups that
this version does not know are left alone, and kept when a store is extended.  Writing is in `robbench.store.writing`: who only asks never loads it.
"""

from robbench.store.layout import FORMAT, FORMAT_VERSION
from robbench.store.reading import Store, verify

__all__ = ["FORMAT", "FORMAT_VERSION", "Store", "verify"]
