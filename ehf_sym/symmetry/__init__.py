"""What a symmetry is asked, and keeps."""
