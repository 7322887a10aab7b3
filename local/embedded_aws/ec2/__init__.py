"""EC2: networks and security groups, as far as a template can see them."""
