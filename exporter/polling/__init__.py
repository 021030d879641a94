"""What to ask when, what the answers add up to, and the snapshot that a scrape reads."""
