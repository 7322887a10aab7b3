"""The same report for people, for JUnit's readers and for SARIF's."""
