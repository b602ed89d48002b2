"""How files are read and written: in one step, within bounds."""
