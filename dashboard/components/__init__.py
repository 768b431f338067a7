"""Parts of pages: each draws one thing from plain data, and keeps its widgets' state to itself."""
