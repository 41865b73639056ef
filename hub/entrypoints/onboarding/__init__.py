"""Looking at a feed before it goes live."""
