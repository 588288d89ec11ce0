"""From text to nodes: the only part that knows lark."""
