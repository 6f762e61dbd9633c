"""What people see: pages made of templates, and the one catalogue of their texts."""
