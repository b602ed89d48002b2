"""The HTTP service and its page (docs/serve.md). An extra of the package: `pip install "tricue[serve]"`."""
