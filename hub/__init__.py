"""The hub: store, rules, services and entry points of mso-hub."""
