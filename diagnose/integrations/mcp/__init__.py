"""The Model Context Protocol: `diagnose mcp`, a server on the standard streams for coding agents.

Read `command`, `server` (the protocol, the one file that touches the SDK), `tools` (what can be called), `answers`
(what they say within their tokens) and `workspace` (what may be read). Nothing here writes anything.
"""
