// Package config owns the configuration of the service: which keys exist, what
// they mean, where their values come from, and the typed sections that the rest
// of the program reads.
//
// The keys are data (schema.yaml, and one schema per destination).
// A value comes from the built-in default, the configuration file, a BUTLER_
// environment variable or the command line; the later one wins. Every problem of
// every source is found in one go and told with its place, its reason and, where
// there is one, the way out.
//
// It guarantees that a Config that was loaded is complete and in range, never
// changes, and is safe for concurrent use; and that the text of a secret leaves
// it only through a secret.String or a section that its owner decodes, never
// through a problem, a note or Shown.
//
// It must never watch, write or reload a file, look beyond the given file for
// settings, or know what a destination does with its section.
package config
