"""The embedded provider: text classifiers that are trained and served in this process, offline."""
