"""What a network is made of: sizes, parameters, multiply-adds, connections, receptive fields."""
