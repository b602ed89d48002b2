"""Quality measured: numbers with intervals, tables, and what a network costs."""
