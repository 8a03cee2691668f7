"""The Twilio adapter: what it sends and asks, and what it makes of every answer."""
