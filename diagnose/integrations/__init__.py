"""One file or package per framework. They may import that framework; nothing else in `diagnose` does."""
