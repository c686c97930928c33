"""The seeded training template: the part of the repository that you rewrite for your own work."""
