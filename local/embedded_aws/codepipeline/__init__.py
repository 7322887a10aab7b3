"""CodePipeline: pipelines are accepted or refused as AWS does, and run nothing by themselves."""
