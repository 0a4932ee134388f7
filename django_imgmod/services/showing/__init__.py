"""What others than moderators see of an image: its place on a page, and what its editor may know."""
