"""A field's numbers in words."""

COLLAPSED, PARTLY = 0.3, 0.6


def verdict(*, ia_normalised: float, k99: int, max_rank: int, columns: int, near_zero: float) -> str:
    """Say how far a field's embeddings are collapsed.

    Parameters
    ----------
    ia_normalised : float
        IA / E[IA(random)] of the table (Appendix I).
    k99 : int
        Directions that hold 99 % of the energy.
    max_rank : int
        Directions that there can be, min(D, M K).
    columns : int
        Columns of the table, M K.
    near_zero : float
        Share of near-zero rows.

    Returns
    -------
    str
        "collapsed" below 0.3, "partly collapsed" below 0.6, else "spread out", each with the reason. The two
        thresholds are this project's; the paper compares curves and sets none.
    """
    if k99 == 0:
        return "empty: every entry is zero"
    degree = (
        "collapsed"
        if ia_normalised < COLLAPSED
        else "partly collapsed"
        if ia_normalised < PARTLY
        else "spread out"
    )
    words = f"{degree}: 99 % of its energy in {k99} of {max_rank} directions"
    if max_rank < columns:
        words += ", as many as it has rows"
    if near_zero >= 0.5:
        words += f"; {near_zero:.0%} of its rows are near zero"
    return words
