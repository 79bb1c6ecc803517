"""What went wrong on real nights: each a contest of its own, with the events it consisted of and what must become of them."""
