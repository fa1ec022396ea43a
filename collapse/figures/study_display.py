"""Figures drawn from the runs of a study."""

from collapse.figures.display import Display


class StudyDisplay(Display):
    """A figure of many runs: a row a run, with its ``data`` among others, and what they are ``runs`` of."""

    @property
    def provenance(self) -> str:
        """How many runs, of which data and profile."""
        first = self.table.iloc[0]
        return f"{first['runs']} runs on {', '.join(self.table['data'].unique())}; {first['profile']}"
