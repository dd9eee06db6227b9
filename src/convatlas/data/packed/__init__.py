"""Folders of Parquet shards, which are streamed: images beyond the memory, in little memory."""
