"""TOON, a notation for JSON values that spends few tokens on tables.

`[2]{text,label}:` and a line for each row, two spaces in, is a list of uniform objects; other values are indented
`key: value` lines. The bare pipe table (`text|label` and rows) that some guides call TOON is read too, as texts.

Source: Token-Oriented Object Notation, specification 4.4, 2026-10-08.
"""
