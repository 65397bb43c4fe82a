"""R-Score (Yang et al., 2025) from Ψ and Φ, the proxies that a store holds of each network: over a population as released, or by the equation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robbench.errors import InvalidArgument

_LOW, _HIGH = 1.0, 100.0


def r_scores(psi: npt.ArrayLike, phi: npt.ArrayLike, *, stretched: bool = True) -> npt.NDArray[np.float64]:
    """R-Score, Ψ^½ · Φ, of each architecture of a population: ``(architectures,)``, float64; NaN where either is missing.

    Arguments:
        psi, phi: ``(architectures,)``, positive: the proxies r_score_psi and r_score_phi; NaN where one is missing.
        stretched: both are first log-scaled and normalised to [1, 100] over the population, as in the released code, so that a score depends on the
            population; else it is equation 6 as it stands, of each architecture by itself.

    Raises:
        InvalidArgument: not one number an architecture in each, one that is not positive, or none at all.

    Source: Yang et al. (2025), equations 2 to 6.
    """
    psis, phis = np.asarray(psi, np.float64), np.asarray(phi, np.float64)
    if psis.ndim != 1 or psis.shape != phis.shape:
        raise InvalidArgument(f"psi is {psis.shape} and phi {phis.shape}; expected one number an architecture in each.")
    if (psis <= 0).any() or (phis <= 0).any():
        raise InvalidArgument(
            "psi or phi is not positive for some architecture; expected r_score_psi and r_score_phi, NaN where one is missing."
        )
    if np.isnan(psis).all() or np.isnan(phis).all():
        raise InvalidArgument(
            f"psi or phi is missing for all {len(psis)} architectures; expected a population, which the score is formed over."
        )
    if stretched:
        psis, phis = _normalised(psis), _normalised(phis)
    score: npt.NDArray[np.float64] = np.sqrt(psis) * phis
    return score


def _normalised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    logarithms = np.log(values)
    low, high = np.nanmin(logarithms), np.nanmax(logarithms)
    # Where all values of a population are equal, they are normalised to 1.
    normalised: npt.NDArray[np.float64] = _LOW + (_HIGH - _LOW) * ((logarithms - low) / (high - low or 1.0))
    return normalised
