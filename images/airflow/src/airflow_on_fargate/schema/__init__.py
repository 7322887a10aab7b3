"""The schema of the metadata database: is it the one needed, how to change it, how to go back."""
