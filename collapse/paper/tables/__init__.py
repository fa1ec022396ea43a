"""The paper's tables with our results next to the printed values."""
