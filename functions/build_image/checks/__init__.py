"""What is checked before a layer is made, and how a failed installation is explained."""
