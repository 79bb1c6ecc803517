"""What would have been stated on a recorded night, held against how it ended: docs/nights.md and docs/projection.md."""
