"""`sam local invoke` on this machine: its files, and how its containers reach the embedded AWS."""
