"""The flow of linear equations at any time, as a sum of terms: powers times exponentials times oscillations.

    x' = A x,   exp(A t) = sum_j t^k_j exp(rho_j t) {1 | cos(omega_j t) | sin(omega_j t)} M_j

Eigenvalues that lie close together are taken as one cluster c with center lambda and projector P:

    exp(A t) P = exp(lambda t) sum_k t^k N_k,   N_k = (A - lambda)^k P / k!

For equal eigenvalues this is the Jordan form, and the sum ends. For nearly equal ones it is a series that converges
fast (the cluster is small), where dividing by their differences would lose digits. Projectors come from an ordered
Schur form of the balanced matrix and a Sylvester equation.

Source
------
Golub and Van Loan, "Matrix Computations", 4th edition 2013, sections 7.6.3 (block diagonalization by Sylvester
equations) and 9.1 (functions of a matrix).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PLAIN, COSINE, SINE = 0, 1, 2
GAP = 0.05
"""Eigenvalues that differ by less, relative to the larger one, belong to one cluster."""
EXACT = 1e-18
"""Where the series of a cluster is cut, relative to the value at time 0."""


@dataclass(frozen=True)
class Term:
    """One term of a flow: `t^power exp(rho t)` times what `kind` says, times a matrix."""

    rho: float
    omega: float
    power: int
    kind: int
    matrix: NDArray[np.float64]


def flow(a: NDArray[np.float64]) -> tuple[Term, ...]:
    """Return the terms of exp(A t).

    Parameters
    ----------
    a : (n, n), 1/s

    Examples
    --------
    >>> [(t.rho, t.power, t.matrix.tolist()) for t in flow(np.array([[-2.0]]))]
    [(-2.0, 0, [[1.0]])]
    """
    n = len(a)
    if n == 1:
        return (Term(float(a[0, 0]), 0.0, 0, PLAIN, np.ones((1, 1))),)
    from scipy.linalg import matrix_balance

    balanced, scaled = matrix_balance(a)
    # balanced = scaled^-1 a scaled, where scaled has one power of 2 in each row: its inverse is exact
    inverse = np.divide(1.0, scaled, out=np.zeros_like(scaled), where=scaled != 0).T
    if np.all(np.tril(balanced, -1) == 0):
        values = np.diag(balanced).astype(complex)
    else:
        values = np.linalg.eigvals(balanced).astype(complex)
    reached = np.linalg.matrix_power(np.eye(n, dtype=np.int64) + (a != 0), n) > 0
    terms = []
    for members in _clusters(values):
        center = complex(values[members].mean())
        if center.imag < 0 and abs(center.imag) > GAP * abs(center):
            continue  # its conjugate stands for both
        if abs(center.imag) <= GAP * abs(center):
            center = complex(center.real, 0.0)
        projector = _projector(balanced, values, members)
        shifted = balanced - center * np.eye(n)
        matrix = projector
        radius = float(np.max(np.abs(values[members] - center)))
        for k in range(_length(len(members), radius, abs(center))):
            if k:
                matrix = shifted @ matrix / k
            found = scaled @ matrix @ inverse
            found[~reached] = 0.0
            if not np.any(found):
                break
            if center.imag == 0.0:
                terms.append(Term(center.real, 0.0, k, PLAIN, found.real))
            else:
                rho, omega = center.real, center.imag
                terms.append(Term(rho, omega, k, COSINE, 2.0 * found.real))
                terms.append(Term(rho, omega, k, SINE, -2.0 * found.imag))
    return tuple(terms)


def _clusters(values: NDArray[np.complex128]) -> list[NDArray[np.int64]]:
    """Return groups of eigenvalues, each joined by gaps below `GAP`; zeros only with zeros."""
    n = len(values)
    near = np.zeros((n, n), bool)
    for i in range(n):
        for j in range(n):
            size = max(abs(values[i]), abs(values[j]))
            small = abs(values[i] - values[j]) <= GAP * size
            decays = values[i].real < 0 and values[j].real < 0
            near[i, j] = values[i] == values[j] or (small and decays)
    left, found = set(range(n)), []
    while left:
        group, stack = set(), [min(left)]
        while stack:
            i = stack.pop()
            if i not in group:
                group.add(i)
                stack += [j for j in left if near[i, j]]
        left -= group
        found.append(np.array(sorted(group)))
    return found


def _length(members: int, radius: float, size: float) -> int:
    """Return how many terms a cluster needs: t^k r^k / k! exp(-|lambda| t) is at most (r / |lambda|)^k."""
    if radius == 0.0 or members == 1:
        return members
    ratio = min(radius / size, 0.5)
    return members + math.ceil(math.log(EXACT) / math.log(ratio))


def _projector(
    a: NDArray[np.float64], values: NDArray[np.complex128], members: NDArray[np.int64]
) -> NDArray[np.complex128]:
    """Return the projector onto the space of some eigenvalues, along that of the others."""
    from scipy.linalg import schur, solve_sylvester

    n, m = len(a), len(members)
    if m == n:
        return np.eye(n, dtype=complex)
    inside = np.zeros(n, bool)
    inside[members] = True

    def chosen(value: complex) -> bool:
        return bool(inside[int(np.argmin(np.abs(values - value)))])

    t, q, _ = schur(a.astype(complex), output="complex", sort=chosen)
    y = solve_sylvester(t[:m, :m], -t[m:, m:], -t[:m, m:])
    block = np.zeros((n, n), complex)
    block[:m, :m] = np.eye(m)
    block[:m, m:] = -y
    return q @ block @ q.conj().T  # type: ignore[no-any-return]


def value(terms: tuple[Term, ...], t: float) -> NDArray[np.float64]:
    """Return exp(A t) from its terms."""
    total = np.zeros_like(terms[0].matrix)
    for term in terms:
        factor = t**term.power * math.exp(term.rho * t)
        if term.kind == COSINE:
            factor *= math.cos(term.omega * t)
        elif term.kind == SINE:
            factor *= math.sin(term.omega * t)
        total += factor * term.matrix
    return total
