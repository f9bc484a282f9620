"""Arrays, the tape, the kernels in C, Adam."""
