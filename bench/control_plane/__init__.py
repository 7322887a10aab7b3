"""How many DAG files a dag-processor of a certain size can hold."""
