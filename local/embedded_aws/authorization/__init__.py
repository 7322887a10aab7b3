"""IAM: who may do what. Every request and every call between services is decided and recorded."""
