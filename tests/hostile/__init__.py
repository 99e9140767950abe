"""What a hostile user types and hands over: hundreds of cases, and mutations without end."""
