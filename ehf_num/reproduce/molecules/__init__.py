"""Molecules: DW4 and LJ13, ours and its peers, against floors of ours."""
