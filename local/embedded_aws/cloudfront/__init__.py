"""CloudFront: distributions on the HTTPS port, in front of an internal load balancer."""
