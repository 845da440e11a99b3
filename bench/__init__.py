"""What is measured: `make bench`. Figures are for comparing within one run; machines, and their moods, differ."""
