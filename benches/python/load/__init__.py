"""What contenders are given to do, and how it is watched: events, readers, clients, clocks."""
