"""What is fast, each beside a limit measured in the same run: read the ratios, not the figures."""
