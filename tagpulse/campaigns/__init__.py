"""Campaigns as people define them and ask about them."""
