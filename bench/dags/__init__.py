"""DAG delivery side by side: releases, the amazon provider's S3DagBundle, and a sync side-car."""
