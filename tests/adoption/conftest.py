"""The shop is a project of its own, not a part of these tests."""

collect_ignore = ["shop"]
