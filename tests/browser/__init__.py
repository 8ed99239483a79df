"""What a user sees, in a real headless Chromium."""
