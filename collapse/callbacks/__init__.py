"""`collapse.SpectrumMonitor` as callbacks for the training loops of other libraries."""
