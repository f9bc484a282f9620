"""Formula text: arithmetic and recursive descent within bounds."""
