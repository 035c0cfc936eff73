"""Checks that nothing of the future, and nothing held out, reaches what is learned, listed or judged."""
