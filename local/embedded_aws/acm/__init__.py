"""Certificate Manager: certificates of a template, and the local authority that issues them."""
