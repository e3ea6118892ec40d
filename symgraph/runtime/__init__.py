"""What lives while compiled functions run: buffers, the object cache, execution."""
