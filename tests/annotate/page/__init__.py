"""The page in Chromium. A package, so that one browser serves all its files and is closed before any other test."""
