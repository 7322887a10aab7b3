"""CodeBuild: projects, builds that really run, and their logs."""
