"""What the editors of a site see of their images in its own admin: status, reason, and what they can do."""
