"""ECR: layers that are uploaded, images that are made of them, scans, life-cycle policies."""
