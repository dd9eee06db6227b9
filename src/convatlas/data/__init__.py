"""Images and labels: what a DATA argument means, and the same pixels for every command."""
