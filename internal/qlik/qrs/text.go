package qrs

import clean "butler/internal/text" // a text is a type here

// Bounds of what is kept of a document: characters and entries.
const (
	maxName        = 500
	maxDescription = 4000
	maxStamp       = 64
	maxEntries     = 200
	maxDetails     = 500
)

func line(s string, limit int) string { return clean.Line(s, limit) }

func prose(s string, limit int) string { return clean.Prose(s, limit) }

func shorten(s string, limit int) string { return clean.Shorten(s, limit) }
