"""What edgepress keeps on a disk: sealed entries, temporary folders, the digest of code."""
