"""Configuration: settings with their meaning, and where their values come from."""
