"""`collapse.SpectrumMonitor` as callbacks of other libraries' training loops."""
