"""EASE of a large catalogue: each song's regression on its neighbourhood alone.

Column j of EASE's B (Steck, WWW 2019) is a ridge regression of song j on all others. Here the others are the `n` songs heard
most with j: `B[N, j] = (G[N, N] + lambda I)^-1 G[N, j]` with `G = X'X`. With all other songs in the neighbourhood that is EASE itself;
the restriction is that of SLIM with feature selection (Ning & Karypis, ICDM 2011, section 4.3). Work grows with the number of songs
and the cube of `n`, memory with songs times `n`.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy.sparse import csr_array, diags_array

from recall.item_based import nearest
from recall.top_k import csr


def local_weights(pairs: csr_array, l2: float, neighbours: int, damping: float) -> csr_array:
    """`[n_songs, n_songs]` B with at most `neighbours` weights a column, row = song of the history.

    Args:
        pairs: `[n_users, n_songs]` 1 where a user has heard a song.
        l2: lambda, in users.
        neighbours: size of a neighbourhood; songs that share no listener with j are in none.
        damping: see `neighbourhoods`.
    """
    near = neighbourhoods(pairs, neighbours, damping)
    listeners = csr(pairs.T)
    weights = _solve(near.indptr, near.indices, listeners.indptr, listeners.indices, pairs.shape[0], l2)
    column = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
    return csr(csr_array((weights, (near.indices, column)), shape=near.shape))


def neighbourhoods(pairs: csr_array, n: int, damping: float) -> csr_array:
    """`[n_songs, n_songs]` the `n` songs that share most listeners with each song, divided by (listeners of each)^damping."""
    listeners = np.maximum(np.bincount(pairs.indices, minlength=pairs.shape[1]), 1)
    damped = csr(pairs @ diags_array(listeners ** -float(damping)))
    return nearest(csr(damped.T), damped, n)


@numba.njit(cache=True, nogil=True)
def _solve(near, songs, l_indptr, l_indices, n_users, l2):  # type: ignore[no-untyped-def]
    """Weights `[near[-1]]` of each song's neighbours."""
    weights = np.empty(len(songs), np.float32)
    head = np.full(n_users, -1, np.int64)
    for song in range(len(near) - 1):
        around = songs[near[song] : near[song + 1]]
        n = len(around)
        if n == 0:
            continue
        gram = _gram(around, song, l_indptr, l_indices, head)
        for a in range(n):
            gram[a, a] += np.float32(l2)
        weights[near[song] : near[song + 1]] = np.linalg.solve(gram[:n, :n].copy(), gram[:n, n].copy())
    return weights


@numba.njit(cache=True, nogil=True)
def _gram(around, song, l_indptr, l_indices, head):  # type: ignore[no-untyped-def]
    """`[n + 1, n + 1]` users that each two of the songs around, and the song itself as the last, share. `head` is -1 and stays so."""
    n = len(around) + 1
    length = l_indptr[song + 1] - l_indptr[song]
    for a in range(n - 1):
        length += l_indptr[around[a] + 1] - l_indptr[around[a]]
    # Linked list of the songs that each user has heard so far.
    member, before = np.empty(length, np.int32), np.empty(length, np.int64)
    gram = np.zeros((n, n), np.float32)
    end = 0
    for a in range(n):
        one = around[a] if a < n - 1 else song
        for entry in range(l_indptr[one], l_indptr[one + 1]):
            user = l_indices[entry]
            member[end], before[end], head[user] = a, head[user], end
            at = end
            while at >= 0:
                gram[a, member[at]] += np.float32(1)
                at = before[at]
            end += 1
    for a in range(n):
        one = around[a] if a < n - 1 else song
        for entry in range(l_indptr[one], l_indptr[one + 1]):
            head[l_indices[entry]] = -1
        for b in range(a):
            gram[b, a] = gram[a, b]
    return gram
