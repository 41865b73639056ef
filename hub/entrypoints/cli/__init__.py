"""The command `mso-hub`: one module per group of commands."""
