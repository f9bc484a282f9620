"""What the zero test is made of: kernels, normal forms, enclosures, witnesses."""
