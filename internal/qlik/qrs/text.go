package qrs

import "butler/internal/qlik"

// Bounds of what is kept of a document: characters and entries.
const (
	maxName        = 500
	maxDescription = 4000
	maxStamp       = 64
	maxEntries     = 200
	maxDetails     = 500
)

func line(s string, limit int) string { return qlik.Line(s, limit) }

func prose(s string, limit int) string { return qlik.Prose(s, limit) }
