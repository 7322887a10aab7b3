"""What the doctor knows about each subject: pure functions from observations to findings."""
