"""What the simulated medical supply vendors share: catalogue, order book, fulfilment, webhooks."""
