"""Group purchasing: which vendor supplies which line at the least total cost, with a proof."""
