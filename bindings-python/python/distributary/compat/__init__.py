"""Import swaps for packages that an application already uses."""
